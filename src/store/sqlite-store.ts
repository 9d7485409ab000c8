import { limits } from "../kernel/limits.ts";
import type { Logger } from "../kernel/log.ts";
import type { Metrics } from "../kernel/metrics.ts";
import type { AudioFormat } from "../wire/audio-format.ts";
import { MemoryCatalogue } from "./memory-catalogue.ts";
import type { AppRecord, Store, UserRecord } from "./store.ts";
import type { StoreCommand, StoreReport } from "./store-messages.ts";

type Answer = UserRecord | boolean | undefined;

interface Waiting {
  readonly resolve: (answer: Answer) => void;
  readonly reject: (error: Error) => void;
}

/** Without the id, which the store itself gives out. */
type Order = StoreCommand extends infer C ? (C extends { id: number } ? Omit<C, "id"> : never) : never;

/** A store in one SQLite file. All SQL runs in a thread of its own; the catalogue is held in memory here. */
export class SqliteStore implements Store {
  readonly apps = new MemoryCatalogue();
  readonly #log: Logger;
  readonly #metrics: Metrics;
  readonly #worker = new Worker(new URL("../../workers/store-worker.ts", import.meta.url));
  readonly #waiting = new Map<number, Waiting>();
  #id = 0;
  /** Why nothing can be stored any more. */
  #failure: Error | undefined;
  #closing: Promise<void> | undefined;

  private constructor(log: Logger, metrics: Metrics) {
    this.#log = log;
    this.#metrics = metrics;
    this.#worker.onmessage = ({ data }: MessageEvent<StoreReport>) => this.#receive(data);
    this.#worker.onerror = (event) => this.#fail(`the store's thread failed: ${event.message}`);
  }

  /**
   * Opens the file, and makes it on first use. The catalogue is loaded when this resolves.
   * Rejects with an Error of one line when the file cannot be used.
   */
  static async open(file: string, parts: { log: Logger; metrics: Metrics }): Promise<SqliteStore> {
    const store = new SqliteStore(parts.log, parts.metrics);
    try {
      await store.#ask({ kind: "open", file });
    } catch (error) {
      store.#fail("the store could not be opened");
      throw error;
    }
    return store;
  }

  async loadUser(userId: string): Promise<UserRecord> {
    const answer = await this.#ask({ kind: "loadUser", userId });
    if (typeof answer !== "object") throw new Error("the store answered without a user");
    return answer;
  }

  saveAudioFormat(userId: string, format: AudioFormat): void {
    this.#save({ kind: "saveAudioFormat", userId, format });
  }

  saveWantedApp(userId: string, packageName: string, wanted: boolean): void {
    this.#save({ kind: "saveWantedApp", userId, packageName, wanted });
  }

  async saveApp(app: AppRecord): Promise<void> {
    await this.#ask({ kind: "saveApp", app });
  }

  async removeApp(packageName: string): Promise<boolean> {
    return (await this.#ask({ kind: "removeApp", packageName })) === true;
  }

  async flush(): Promise<void> {
    await this.#ask({ kind: "flush" });
  }

  /** Commits what is under way and ends the thread. Safe to call twice. */
  close(): Promise<void> {
    this.#closing ??= this.#ask({ kind: "close" })
      .catch(() => undefined)
      .then(() => this.#fail("the store is closed"));
    return this.#closing;
  }

  /** Commands that wait for their answer. */
  get pending(): number {
    return this.#waiting.size;
  }

  #save(order: Order): void {
    this.#ask(order).catch((error: unknown) => {
      this.#metrics.errors.inc({ where: "store" });
      this.#log.error({ err: error, order: order.kind }, "a save failed");
    });
  }

  #ask(order: Order): Promise<Answer> {
    if (this.#failure !== undefined) return Promise.reject(this.#failure);
    if (this.#waiting.size >= limits.storePending) {
      return Promise.reject(new Error("the store is too far behind"));
    }
    const id = ++this.#id;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
      this.#worker.postMessage({ ...order, id } satisfies StoreCommand);
    });
  }

  #receive(report: StoreReport): void {
    if (report.kind === "catalogue") {
      this.apps.replace(report.apps);
      return;
    }
    const waiting = this.#waiting.get(report.id);
    this.#waiting.delete(report.id);
    if (report.kind === "done") waiting?.resolve(report.value);
    else waiting?.reject(new Error(report.message));
  }

  /** Everything that waits, and everything to come, is refused for `reason`. */
  #fail(reason: string): void {
    if (this.#failure !== undefined) return;
    this.#failure = new Error(reason);
    this.#worker.terminate();
    for (const { reject } of this.#waiting.values()) reject(this.#failure);
    this.#waiting.clear();
  }
}
