import type { Stop } from "../kernel/stop.ts";
import type { AppSetting, AppSettingGroup } from "../wire/apps.ts";
import type { AudioFormat } from "../wire/audio-format.ts";
import type { HardwareRequirement } from "../wire/hardware.ts";

/** An app as the catalogue knows it. */
export interface AppRecord {
  readonly packageName: string;
  readonly name: string;
  /** Address of the app's own server, without a trailing slash. */
  readonly publicUrl: string;
  /** `standard` apps share the foreground, one at a time; `background` apps run beside it. */
  readonly type: "standard" | "background";
  /** SHA-256 of the API key, lower-case hex. The key itself is nowhere. */
  readonly apiKeyHash: string;
  readonly permissions: readonly string[];
  /** What a user may say for the app besides its name, where the user wants apps to start by voice. */
  readonly phrases?: readonly string[];
  /** What the app needs of the glasses; absent: nothing. */
  readonly hardware?: readonly HardwareRequirement[];
  readonly description?: string;
  readonly version?: string;
  /** The app's page for the phone. */
  readonly webviewUrl?: string;
  readonly logoUrl?: string;
  /** What a user may set for this app, with the defaults; the values are the users'. */
  readonly settings?: readonly (AppSetting | AppSettingGroup)[];
}

/** What has become of an app in the catalogue: it is new (no `former`), gone (no `app`), or another than before. */
export interface CatalogueChange {
  readonly packageName: string;
  readonly former: AppRecord | undefined;
  readonly app: AppRecord | undefined;
}

/** The app catalogue, in memory: look-ups never wait. */
export interface AppCatalogue {
  get(packageName: string): AppRecord | undefined;
  all(): readonly AppRecord[];
  /** Calls `listener` for each app that differs from before, whoever has changed it, once look-ups give what is new. */
  onChange(listener: (change: CatalogueChange) => void): Stop;
}

/** Values by key; each is anything that JSON can hold. */
export type Values = Readonly<Record<string, unknown>>;

/**
 * Whose a kept value is: of the glasses and of all apps alike (`system`), of the user's phone (`phone`), or of the app with
 * that package name.
 */
export type SettingScope = "system" | "phone" | { readonly packageName: string };

/** What a user has set. What was never set is absent. */
export interface UserSettings {
  readonly system: Values;
  readonly phone: Values;
  readonly apps: Readonly<Record<string, Values>>;
}

/** What outlives a user's sessions. */
export interface UserRecord {
  readonly userId: string;
  readonly audioFormat: AudioFormat;
  /** The apps the user wants running: a wish list, not a report. */
  readonly wantedApps: readonly string[];
  readonly settings: UserSettings;
  /** Whether the user has installed an app or taken it off. An app never mentioned is there for everyone. */
  readonly installations: Readonly<Record<string, boolean>>;
}

/** User data. Saves return at once and are committed behind; a save that fails is logged and counted by the store. */
export interface UserStore {
  /** The user's record; that of a user never seen before holds the defaults. */
  loadUser(userId: string): Promise<UserRecord>;
  /** Remembers that there is such a user, with the defaults where nothing else is kept. */
  saveUser(userId: string): void;
  saveAudioFormat(userId: string, format: AudioFormat): void;
  saveWantedApp(userId: string, packageName: string, wanted: boolean): void;
  /** Keeps one value; `undefined` forgets it. */
  saveSetting(userId: string, scope: SettingScope, key: string, value: unknown): void;
  saveInstallation(userId: string, packageName: string, installed: boolean): void;
}

/** What keys and values may take together, as UTF-8. */
export interface StorageRoom {
  /** Of one user and one app. */
  readonly userBytes: number;
  /** Of one app, for all of its users. */
  readonly appBytes: number;
}

/** From when on tokens of a user are good, in seconds since 1970; undefined: all are. In memory, so it is known at once. */
export interface Revocations {
  get(userId: string): number | undefined;
}

/** What apps keep for each of their users: strings under opaque keys, apart from every other app and user. */
export interface SimpleStorage {
  readStorage(userId: string, packageName: string): Promise<Readonly<Record<string, string>>>;
  /** Adds and replaces entries, all or none. Returns whether there was room. */
  writeStorage(
    userId: string,
    packageName: string,
    entries: Readonly<Record<string, string>>,
    most: StorageRoom,
  ): Promise<boolean>;
  /** Removes one entry, or all without a key. Whether there was one does not matter. */
  deleteStorage(userId: string, packageName: string, key: string | undefined): Promise<void>;
}

/** An event that must reach an app, as it goes over the wire. */
export interface KeptEvent {
  readonly userId: string;
  readonly packageName: string;
  readonly seq: number;
  /** JSON. */
  readonly body: string;
}

/** What a session consists of at one moment, as JSON that only the session reads. */
export interface KeptSession {
  readonly userId: string;
  readonly savedMs: number;
  readonly body: string;
}

/** Changes that are committed together, in the order of the fields. */
export interface JournalBatch {
  /** Users whose session is over: nothing of it stays. */
  readonly ended: readonly string[];
  /** Events up to these numbers have arrived, or are not to be delivered any more. */
  readonly settled: readonly {
    readonly userId: string;
    readonly packageName: string;
    readonly upToSeq: number;
  }[];
  readonly events: readonly KeptEvent[];
  readonly sessions: readonly KeptSession[];
  /** The process lives at this moment. */
  readonly aliveMs: number;
}

/** What a former process has left. */
export interface KeptSessions {
  /** When the former process was last known to live; undefined: there was none. */
  readonly aliveMs: number | undefined;
  /**
   * By how much the time of day was ahead of that process's clock, which goes on evenly from its start: the time of day may
   * have been set since. All times that it has kept are its clock's.
   */
  readonly aheadMs: number;
  readonly sessions: readonly (KeptSession & {
    readonly user: UserRecord;
    /** Those not settled, by package and number. */
    readonly events: readonly KeptEvent[];
  })[];
}

/** What lets a server go on where another process has ended. */
export interface SessionStore {
  /** Resolves when the batch is committed, all or nothing. Rejects when it cannot be. */
  commit(batch: JournalBatch): Promise<void>;
  loadSessions(): Promise<KeptSessions>;
}

/** Everything that is kept. One contract suite runs against every implementation. */
export interface Store extends UserStore, SimpleStorage, SessionStore {
  readonly apps: AppCatalogue;
  readonly revocations: Revocations;
  /** Adds an app, or replaces the one of the same package name. */
  saveApp(app: AppRecord): Promise<void>;
  /** Whether there was one to remove. */
  removeApp(packageName: string): Promise<boolean>;
  /** Resolves when every save made before has been committed. */
  flush(): Promise<void>;
  /** Ids of all users of whom something is kept, in order. */
  userIds(): Promise<readonly string[]>;
  /** Whether anything is kept of a user. */
  knowsUser(userId: string): Promise<boolean>;
  /** Forgets a user, and what apps keep for them, but not that their tokens were revoked. Whether there was one. */
  removeUser(userId: string): Promise<boolean>;
  /** Makes tokens of a user that were issued before that second worthless. */
  revokeTokens(userId: string, notBefore: number): Promise<void>;
  close(): Promise<void>;
}
