import { mintCoreToken } from "../../src/gateway/core-token.ts";
import { ExpectedPhotos } from "../../src/gateway/expected-photos.ts";
import { createHttpApi, type HealthReport } from "../../src/gateway/http-api.ts";
import { PublicAddress } from "../../src/gateway/public-address.ts";
import { loadConfig } from "../../src/kernel/config.ts";
import { createLog, type Logger } from "../../src/kernel/log.ts";
import type { AppRecord } from "../../src/store/store.ts";
import { apiKey, appRecord, FakeWorld } from "./fake-world.ts";
import { mismatch } from "./json-schema.ts";

export const adminToken = "admin-token-of-the-tests";
const tokenSecret = "a secret that only tests know";

export interface ApiCall {
  /** A user, who gets a core token. */
  readonly user?: string;
  /** What follows `Bearer`. */
  readonly bearer?: string;
  /** Sent as JSON. */
  readonly body?: unknown;
  /** The address that it comes from, if not that of every `FakeApp`. */
  readonly peer?: string;
  /** Sent as it is. */
  readonly text?: string;
}

export interface ApiAnswer {
  readonly status: number;
  readonly body: unknown;
  readonly headers: Headers;
}

type Described = Readonly<
  Record<
    string,
    Readonly<
      Record<
        string,
        {
          readonly responses: Readonly<
            Record<string, { readonly content?: Readonly<Record<string, { readonly schema: object }>> }>
          >;
        }
      >
    >
  >
>;

/** The HTTP side over real sessions in a fake world, without a network. Every JSON answer is held against the description. */
export class TestApi {
  readonly world: FakeWorld;
  health: HealthReport = {
    speech: { available: true, detail: "a recogniser", providers: [], unserved: 0 },
    codecs: ["pcm", "opus", "lc3"],
    degraded: [],
  };
  /** Whether app servers answer their probe. */
  appsHealthy = true;
  readonly #fetch: (request: Request, peer: string) => Promise<Response>;
  #described: Promise<Described> | undefined;

  constructor(
    env: Record<string, string> = {},
    log: Logger = createLog({ level: "silent", format: "json" }),
  ) {
    this.world = new FakeWorld(env);
    this.world.records.clear();
    const address = new PublicAddress({
      publicUrl: "https://glasses.example.com",
      host: "0.0.0.0",
      port: 0,
      tls: undefined,
    });
    this.#fetch = createHttpApi({
      config: loadConfig(env),
      clock: this.world.clock,
      limits: this.world.limits,
      log,
      metrics: this.world.metrics,
      sessions: this.world.storage,
      store: this.world.users,
      webhooks: { probe: async () => this.appsHealthy },
      photos: new ExpectedPhotos(this.world.clock, address, tokenSecret),
      voice: { speak: async () => ({ kind: "failed", detail: "no voice" }) },
      address,
      tokenSecret,
      adminToken,
      health: () => this.health,
      draining: () => false,
    });
  }

  /** Registers an app with the key `apiKey`. */
  async register(packageName: string, over: Partial<AppRecord> = {}): Promise<AppRecord> {
    const record = appRecord(packageName, over);
    await this.world.users.saveApp(record);
    return record;
  }

  /** The `Bearer` of an app with the key `apiKey`. */
  appBearer(packageName: string): string {
    return `${packageName}:${apiKey}`;
  }

  async call(verb: string, path: string, call: ApiCall = {}): Promise<ApiAnswer> {
    const headers = new Headers();
    const bearer = call.user === undefined ? call.bearer : await mintCoreToken(tokenSecret, call.user);
    if (bearer !== undefined) headers.set("authorization", `Bearer ${bearer}`);
    const text = call.text ?? (call.body === undefined ? undefined : JSON.stringify(call.body));
    if (text !== undefined) headers.set("content-type", "application/json");
    const request = new Request(`http://localhost${path}`, {
      method: verb,
      headers,
      ...(text === undefined ? {} : { body: text }),
    });
    const response = await this.#fetch(request, call.peer ?? "127.0.0.1");
    const isJson = response.headers.get("content-type")?.startsWith("application/json") ?? false;
    const body: unknown = isJson ? await response.json() : await response.text();
    if (isJson && path !== "/docs/json")
      await this.#holdAgainstDescription(verb, path, response.status, body);
    return { status: response.status, body, headers: response.headers };
  }

  /** The paths of the API's description. */
  async described(): Promise<Described> {
    this.#described ??= this.#fetch(new Request("http://localhost/docs/json"), "127.0.0.1")
      .then((response) => response.json())
      .then((document) => (document as { paths: Described }).paths);
    return this.#described;
  }

  async #holdAgainstDescription(verb: string, path: string, status: number, body: unknown): Promise<void> {
    const [bare = ""] = path.split("?");
    const template = bestTemplate(Object.keys(await this.described()), bare.replace(/(?<=.)\/$/, ""));
    const operation = template && (await this.described())[template]?.[verb.toLowerCase()];
    if (!operation) {
      if (status === 404) return;
      throw new Error(`${verb} ${path} answered ${status}, and is not described`);
    }
    const response = operation.responses[status];
    if (response === undefined) throw new Error(`${verb} ${path} answered ${status}, which is not described`);
    const schema = response.content?.["application/json"]?.schema;
    const problem = schema === undefined ? "no JSON is described" : mismatch(schema, body);
    if (problem !== undefined) {
      throw new Error(`${verb} ${path} answered ${status} with ${JSON.stringify(body)}: ${problem}`);
    }
  }
}

/** The described path that a request's path is one of: that with the fewest parameters. */
function bestTemplate(templates: readonly string[], path: string): string | undefined {
  const parts = path.split("/");
  const fits = templates.filter((template) => {
    const own = template.split("/");
    return own.length === parts.length && own.every((part, i) => part.startsWith("{") || part === parts[i]);
  });
  return fits.sort((a, b) => a.split("{").length - b.split("{").length)[0];
}
