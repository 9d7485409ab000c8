import type { Config } from "../kernel/config.ts";

/** Where apps and phones reach this server. */
export class PublicAddress {
  readonly #config: Pick<Config, "publicUrl" | "port" | "tls">;
  #port: number;

  constructor(config: Pick<Config, "publicUrl" | "port" | "tls">) {
    this.#config = config;
    this.#port = config.port;
  }

  /** The port that the system chose, where the setting left it the choice. */
  listensOn(port: number): void {
    this.#port = port;
  }

  /** Without a trailing slash. */
  get url(): string {
    return this.#config.publicUrl ?? `${this.#config.tls ? "https" : "http"}://127.0.0.1:${this.#port}`;
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
