import type { AudioFormat } from "../wire/audio-format.ts";

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
}

/** The app catalogue, in memory: look-ups never wait. */
export interface AppCatalogue {
  get(packageName: string): AppRecord | undefined;
  all(): readonly AppRecord[];
}

/** What outlives a user's sessions. */
export interface UserRecord {
  readonly userId: string;
  readonly audioFormat: AudioFormat;
  /** The apps the user wants running: a wish list, not a report. */
  readonly wantedApps: readonly string[];
}

/** User data. Saves return at once and are committed behind; a save that fails is logged and counted by the store. */
export interface UserStore {
  /** The user's record; that of a user never seen before holds the defaults. */
  loadUser(userId: string): Promise<UserRecord>;
  saveAudioFormat(userId: string, format: AudioFormat): void;
  saveWantedApp(userId: string, packageName: string, wanted: boolean): void;
}

/** Everything that is kept. One contract suite runs against every implementation. */
export interface Store extends UserStore {
  readonly apps: AppCatalogue;
  /** Adds an app, or replaces the one of the same package name. */
  saveApp(app: AppRecord): Promise<void>;
  /** Whether there was one to remove. */
  removeApp(packageName: string): Promise<boolean>;
  /** Resolves when every save made before has been committed. */
  flush(): Promise<void>;
  close(): Promise<void>;
}
