import type { Config } from "../kernel/config.ts";

/** Addresses to listen on that mean every interface; nobody can dial them. */
const wildcards: readonly string[] = ["0.0.0.0", "::"];

type AddressConfig = Pick<Config, "publicUrl" | "host" | "port" | "tls">;

/** The address at which this very machine reaches a server with this configuration, on `port`. Without a trailing slash. */
export function localUrl(config: Pick<Config, "host" | "tls">, port: number): string {
  const host = wildcards.includes(config.host) ? "127.0.0.1" : config.host;
  return `${config.tls ? "https" : "http"}://${host.includes(":") ? `[${host}]` : host}:${port}`;
}

/** Where apps and phones reach this server. */
export class PublicAddress {
  readonly #config: AddressConfig;
  #port: number;

  constructor(config: AddressConfig) {
    this.#config = config;
    this.#port = config.port;
  }

  /** The port that the system chose, where the setting left it the choice. */
  listensOn(port: number): void {
    this.#port = port;
  }

  /** Without a trailing slash. */
  get url(): string {
    return this.#config.publicUrl ?? localUrl(this.#config, this.#port);
  }

  /** Whether `url` serves nobody but this machine, although the server takes connections from others. */
  get reachesOnlyThisMachine(): boolean {
    return this.#config.publicUrl === undefined && wildcards.includes(this.#config.host);
  }

  /**
   * Where an app is to dial for one start. The nonce in its path tells the answer to this webhook from a late return of an
   * earlier process; the SDK keeps it in front of its storage requests as well.
   */
  appSocketUrl(nonce: string): string {
    return `${this.url.replace(/^http/, "ws")}/s/${nonce}/app-ws`;
  }

  /** Where glasses connect. */
  get glassesSocketUrl(): string {
    return `${this.url.replace(/^http/, "ws")}/glasses-ws`;
  }
}
