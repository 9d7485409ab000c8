import type { Clock } from "../kernel/clock.ts";
import { limits } from "../kernel/limits.ts";
import type { Logger } from "../kernel/log.ts";
import type { Metrics } from "../kernel/metrics.ts";
import { SupervisedWorker } from "../kernel/supervised-worker.ts";
import type { AudioFormat } from "../wire/audio-format.ts";
import { MemoryCatalogue } from "./memory-catalogue.ts";
import type {
  AppRecord,
  JournalBatch,
  KeptSessions,
  Revocations,
  SettingScope,
  StorageRoom,
  Store,
  UserRecord,
} from "./store.ts";
import type { StoreAnswer, StoreCommand, StoreReport } from "./store-messages.ts";

interface Waiting {
  readonly resolve: (answer: StoreAnswer) => void;
  readonly reject: (error: Error) => void;
}

/** Without the id, which the store itself gives out. */
type Order = StoreCommand extends infer C ? (C extends { id: number } ? Omit<C, "id"> : never) : never;

export interface SqliteStoreParts {
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: Metrics;
}

/**
 * A store in one SQLite file. All SQL runs in a thread of its own; the catalogue is held in memory here. Should the thread
 * die, what it has not answered is refused, and another one opens the file again.
 */
export class SqliteStore implements Store {
  readonly apps = new MemoryCatalogue();
  readonly revocations: Revocations = { get: (userId) => this.#notBefore.get(userId) };
  #notBefore: ReadonlyMap<string, number> = new Map();
  readonly #log: Logger;
  readonly #metrics: Metrics;
  readonly #file: string;
  readonly #worker: SupervisedWorker;
  readonly #waiting = new Map<number, Waiting>();
  readonly #firstOpening = Promise.withResolvers<void>();
  #opened = false;
  #id = 0;
  /** Why nothing can be stored any more. */
  #failure: Error | undefined;
  #closing: Promise<void> | undefined;

  private constructor(file: string, { clock, log, metrics }: SqliteStoreParts) {
    this.#file = file;
    this.#log = log;
    this.#metrics = metrics;
    this.#worker = new SupervisedWorker({
      kind: "store",
      url: new URL("../../workers/store-worker.ts", import.meta.url),
      clock,
      log,
      metrics,
      onStart: (thread) => void this.#open(thread),
      onMessage: (report) => this.#receive(report as StoreReport),
      onDeath: () => {
        this.#opened = false;
        this.#refuseWaiting(new Error("the store's thread has died before it answered"));
      },
    });
  }

  /**
   * Opens the file, and makes it on first use. The catalogue is loaded when this resolves.
   * Rejects with an Error of one line when the file cannot be used.
   */
  static async open(file: string, parts: SqliteStoreParts): Promise<SqliteStore> {
    const store = new SqliteStore(file, parts);
    try {
      await store.#firstOpening.promise;
    } catch (error) {
      store.#fail("the store could not be opened");
      throw error;
    }
    return store;
  }

  async loadUser(userId: string): Promise<UserRecord> {
    this.#metrics.storeReads.inc({ what: "user" });
    const answer = await this.#ask({ kind: "loadUser", userId });
    if (typeof answer !== "object" || !("user" in answer)) {
      throw new Error("the store answered without a user");
    }
    return answer.user;
  }

  saveUser(userId: string): void {
    this.#save({ kind: "saveUser", userId });
  }

  saveAudioFormat(userId: string, format: AudioFormat): void {
    this.#save({ kind: "saveAudioFormat", userId, format });
  }

  saveWantedApp(userId: string, packageName: string, wanted: boolean): void {
    this.#save({ kind: "saveWantedApp", userId, packageName, wanted });
  }

  saveSetting(userId: string, scope: SettingScope, key: string, value: unknown): void {
    this.#save({ kind: "saveSetting", userId, scope, key, value });
  }

  saveInstallation(userId: string, packageName: string, installed: boolean): void {
    this.#save({ kind: "saveInstallation", userId, packageName, installed });
  }

  async readStorage(userId: string, packageName: string): Promise<Readonly<Record<string, string>>> {
    this.#metrics.storeReads.inc({ what: "storage" });
    const answer = await this.#ask({ kind: "readStorage", userId, packageName });
    if (typeof answer !== "object" || !("entries" in answer)) {
      throw new Error("the store answered without entries");
    }
    return answer.entries;
  }

  async writeStorage(
    userId: string,
    packageName: string,
    entries: Readonly<Record<string, string>>,
    most: StorageRoom,
  ): Promise<boolean> {
    return (await this.#ask({ kind: "writeStorage", userId, packageName, entries, most })) === true;
  }

  async deleteStorage(userId: string, packageName: string, key: string | undefined): Promise<void> {
    await this.#ask({ kind: "deleteStorage", userId, packageName, key });
  }

  async userIds(): Promise<readonly string[]> {
    const answer = await this.#ask({ kind: "userIds" });
    if (typeof answer !== "object" || !("userIds" in answer)) {
      throw new Error("the store answered without users");
    }
    return answer.userIds;
  }

  async knowsUser(userId: string): Promise<boolean> {
    return (await this.#ask({ kind: "knowsUser", userId })) === true;
  }

  async removeUser(userId: string): Promise<boolean> {
    return (await this.#ask({ kind: "removeUser", userId })) === true;
  }

  async revokeTokens(userId: string, notBefore: number): Promise<void> {
    await this.#ask({ kind: "revokeTokens", userId, notBefore });
  }

  async saveApp(app: AppRecord): Promise<void> {
    await this.#ask({ kind: "saveApp", app });
  }

  async removeApp(packageName: string): Promise<boolean> {
    return (await this.#ask({ kind: "removeApp", packageName })) === true;
  }

  async commit(batch: JournalBatch): Promise<void> {
    await this.#ask({ kind: "commit", batch });
  }

  async loadSessions(): Promise<KeptSessions> {
    this.#metrics.storeReads.inc({ what: "sessions" });
    const answer = await this.#ask({ kind: "loadSessions" });
    if (typeof answer !== "object" || !("kept" in answer)) {
      throw new Error("the store answered without sessions");
    }
    return answer.kept;
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

  /** Whether the file is open at this moment. */
  get available(): boolean {
    return this.#opened && this.#failure === undefined;
  }

  /** For tests only: the thread dies. */
  injectDeath(): void {
    this.#worker.replace();
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

  #ask(order: Order): Promise<StoreAnswer> {
    if (this.#failure !== undefined) return Promise.reject(this.#failure);
    if (this.#waiting.size >= limits.storePending) {
      return Promise.reject(new Error("the store is too far behind"));
    }
    const id = ++this.#id;
    if (!this.#worker.post({ ...order, id } satisfies StoreCommand)) {
      return Promise.reject(new Error("the store's thread has died and is being restarted"));
    }
    return this.#answerTo(id);
  }

  #answerTo(id: number): Promise<StoreAnswer> {
    return new Promise((resolve, reject) => this.#waiting.set(id, { resolve, reject }));
  }

  /** The first order of every thread. */
  async #open(thread: Worker): Promise<void> {
    const id = ++this.#id;
    const answer = this.#answerTo(id);
    thread.postMessage({ kind: "open", file: this.#file, id } satisfies StoreCommand);
    const again = id > 1;
    try {
      await answer;
      this.#opened = true;
      this.#firstOpening.resolve();
      if (again) this.#log.info("the store is open again");
    } catch (error) {
      this.#firstOpening.reject(error);
      if (!again || this.#failure !== undefined) return;
      this.#log.error({ err: error }, "the store could not be opened again");
      this.#worker.replace();
    }
  }

  #receive(report: StoreReport): void {
    if (report.kind === "catalogue") {
      this.apps.replace(report.apps);
      return;
    }
    if (report.kind === "revocations") {
      this.#notBefore = report.notBefore;
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
    this.#worker.close();
    this.#refuseWaiting(this.#failure);
  }

  #refuseWaiting(reason: Error): void {
    for (const { reject } of this.#waiting.values()) reject(reason);
    this.#waiting.clear();
  }
}
