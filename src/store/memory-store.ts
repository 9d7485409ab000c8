import { type AudioFormat, defaultAudioFormat } from "../wire/audio-format.ts";
import { MemoryCatalogue } from "./memory-catalogue.ts";
import type {
  AppRecord,
  JournalBatch,
  KeptEvent,
  KeptSession,
  KeptSessions,
  SettingScope,
  StorageRoom,
  Store,
  UserRecord,
  Values,
} from "./store.ts";
import { storedBytes } from "./stored-bytes.ts";

/** A store that forgets everything with the process. For tests. */
export class MemoryStore implements Store {
  readonly apps = new MemoryCatalogue();
  readonly revocations = new Map<string, number>();
  readonly #users = new Map<string, UserRecord>();
  /** Entries by user and app. */
  readonly #storage = new Map<string, Map<string, string>>();
  readonly #sessions = new Map<string, KeptSession>();
  #events: readonly KeptEvent[] = [];
  #aliveMs: number | undefined;

  loadUser(userId: string): Promise<UserRecord> {
    return Promise.resolve(this.#user(userId));
  }

  saveUser(userId: string): void {
    this.#users.set(userId, this.#user(userId));
  }

  saveAudioFormat(userId: string, format: AudioFormat): void {
    this.#users.set(userId, { ...this.#user(userId), audioFormat: format });
  }

  saveWantedApp(userId: string, packageName: string, wanted: boolean): void {
    const user = this.#user(userId);
    const others = user.wantedApps.filter((name) => name !== packageName);
    if (wanted && others.length < user.wantedApps.length) return;
    this.#users.set(userId, { ...user, wantedApps: wanted ? [...others, packageName] : others });
  }

  saveSetting(userId: string, scope: SettingScope, key: string, value: unknown): void {
    const user = this.#user(userId);
    const { settings } = user;
    const changed =
      typeof scope === "string"
        ? { ...settings, [scope]: withValue(settings[scope], key, value) }
        : {
            ...settings,
            apps: {
              ...settings.apps,
              [scope.packageName]: withValue(settings.apps[scope.packageName] ?? {}, key, value),
            },
          };
    this.#users.set(userId, { ...user, settings: changed });
  }

  saveInstallation(userId: string, packageName: string, installed: boolean): void {
    const user = this.#user(userId);
    this.#users.set(userId, { ...user, installations: { ...user.installations, [packageName]: installed } });
  }

  readStorage(userId: string, packageName: string): Promise<Readonly<Record<string, string>>> {
    return Promise.resolve(Object.fromEntries(this.#entries(userId, packageName)));
  }

  writeStorage(
    userId: string,
    packageName: string,
    entries: Readonly<Record<string, string>>,
    most: StorageRoom,
  ): Promise<boolean> {
    const after = new Map([...this.#entries(userId, packageName), ...Object.entries(entries)]);
    const others = [...this.#storage].filter(([id]) => {
      const [user, app] = JSON.parse(id);
      return app === packageName && user !== userId;
    });
    const bytes = storedBytes(after);
    const appBytes = others.reduce((sum, [, kept]) => sum + storedBytes(kept), bytes);
    const fits = bytes <= most.userBytes && appBytes <= most.appBytes;
    if (fits && after.size > 0) this.#storage.set(storageId(userId, packageName), after);
    return Promise.resolve(fits);
  }

  deleteStorage(userId: string, packageName: string, key: string | undefined): Promise<void> {
    if (key === undefined) this.#storage.delete(storageId(userId, packageName));
    else this.#entries(userId, packageName).delete(key);
    return Promise.resolve();
  }

  saveApp(app: AppRecord): Promise<void> {
    this.apps.save(app);
    return Promise.resolve();
  }

  removeApp(packageName: string): Promise<boolean> {
    return Promise.resolve(this.apps.remove(packageName));
  }

  userIds(): Promise<readonly string[]> {
    const keepers = [...this.#storage.keys()].map((id): string => JSON.parse(id)[0]);
    return Promise.resolve([...new Set([...this.#users.keys(), ...keepers])].sort());
  }

  async knowsUser(userId: string): Promise<boolean> {
    return (await this.userIds()).includes(userId);
  }

  async removeUser(userId: string): Promise<boolean> {
    const known = await this.knowsUser(userId);
    this.#users.delete(userId);
    for (const id of this.#storage.keys()) if (JSON.parse(id)[0] === userId) this.#storage.delete(id);
    this.#endSession(userId);
    return known;
  }

  commit({ ended, settled, events, sessions, aliveMs }: JournalBatch): Promise<void> {
    for (const userId of ended) this.#endSession(userId);
    for (const { userId, packageName, upToSeq } of settled) {
      this.#events = this.#events.filter(
        (event) => event.userId !== userId || event.packageName !== packageName || event.seq > upToSeq,
      );
    }
    this.#events = [...this.#events, ...events];
    for (const session of sessions) this.#sessions.set(session.userId, session);
    this.#aliveMs = aliveMs;
    return Promise.resolve();
  }

  loadSessions(): Promise<KeptSessions> {
    const inOrder = this.#events.toSorted((a, b) => compare(a.packageName, b.packageName) || a.seq - b.seq);
    const sessions = [...this.#sessions.values()].toSorted((a, b) => compare(a.userId, b.userId));
    return Promise.resolve({
      aliveMs: this.#aliveMs,
      aheadMs: 0,
      sessions: sessions.map((session) => ({
        ...session,
        user: this.#user(session.userId),
        events: inOrder.filter(({ userId }) => userId === session.userId),
      })),
    });
  }

  revokeTokens(userId: string, notBefore: number): Promise<void> {
    this.revocations.set(userId, notBefore);
    return Promise.resolve();
  }

  flush(): Promise<void> {
    return Promise.resolve();
  }

  close(): Promise<void> {
    return Promise.resolve();
  }

  #endSession(userId: string): void {
    this.#sessions.delete(userId);
    this.#events = this.#events.filter((event) => event.userId !== userId);
  }

  #user(userId: string): UserRecord {
    return (
      this.#users.get(userId) ?? {
        userId,
        audioFormat: defaultAudioFormat,
        wantedApps: [],
        settings: { system: {}, phone: {}, apps: {} },
        installations: {},
      }
    );
  }

  #entries(userId: string, packageName: string): Map<string, string> {
    return this.#storage.get(storageId(userId, packageName)) ?? new Map();
  }
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

function storageId(userId: string, packageName: string): string {
  return JSON.stringify([userId, packageName]);
}

function withValue(values: Values, key: string, value: unknown): Values {
  const { [key]: _former, ...others } = values;
  return value === undefined ? others : { ...others, [key]: value };
}
