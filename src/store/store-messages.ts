import type { AudioFormat } from "../wire/audio-format.ts";
import type {
  AppRecord,
  JournalBatch,
  KeptSessions,
  SettingScope,
  StorageRoom,
  UserRecord,
} from "./store.ts";

/** What the main thread asks of the store's thread. Each is answered once, by a report of the same `id`. */
export type StoreCommand = { readonly id: number } & (
  | { readonly kind: "open"; readonly file: string }
  | { readonly kind: "loadUser"; readonly userId: string }
  | { readonly kind: "saveUser"; readonly userId: string }
  | { readonly kind: "saveAudioFormat"; readonly userId: string; readonly format: AudioFormat }
  | {
      readonly kind: "saveWantedApp";
      readonly userId: string;
      readonly packageName: string;
      readonly wanted: boolean;
    }
  | {
      readonly kind: "saveSetting";
      readonly userId: string;
      readonly scope: SettingScope;
      readonly key: string;
      readonly value: unknown;
    }
  | {
      readonly kind: "saveInstallation";
      readonly userId: string;
      readonly packageName: string;
      readonly installed: boolean;
    }
  | { readonly kind: "readStorage"; readonly userId: string; readonly packageName: string }
  | {
      readonly kind: "writeStorage";
      readonly userId: string;
      readonly packageName: string;
      readonly entries: Readonly<Record<string, string>>;
      readonly most: StorageRoom;
    }
  | {
      readonly kind: "deleteStorage";
      readonly userId: string;
      readonly packageName: string;
      readonly key: string | undefined;
    }
  | { readonly kind: "userIds" }
  | { readonly kind: "knowsUser"; readonly userId: string }
  | { readonly kind: "removeUser"; readonly userId: string }
  | { readonly kind: "revokeTokens"; readonly userId: string; readonly notBefore: number }
  | { readonly kind: "saveApp"; readonly app: AppRecord }
  | { readonly kind: "removeApp"; readonly packageName: string }
  | { readonly kind: "commit"; readonly batch: JournalBatch }
  | { readonly kind: "loadSessions" }
  /** Commands are carried out in order, so the answer says that all before it are done. */
  | { readonly kind: "flush" }
  | { readonly kind: "close" }
);

/** What a command is answered with; most with nothing. */
export type StoreAnswer =
  | { readonly user: UserRecord }
  | { readonly entries: Readonly<Record<string, string>> }
  | { readonly userIds: readonly string[] }
  | { readonly kept: KeptSessions }
  | boolean
  | undefined;

export type StoreReport =
  | { readonly kind: "done"; readonly id: number; readonly value?: StoreAnswer }
  | { readonly kind: "failed"; readonly id: number; readonly message: string }
  /** All revocations, after opening and after every change. */
  | { readonly kind: "revocations"; readonly notBefore: ReadonlyMap<string, number> }
  /** The whole catalogue, after opening and after every change of it, whoever made it. */
  | { readonly kind: "catalogue"; readonly apps: readonly AppRecord[] };
