import type { AudioFormat } from "../wire/audio-format.ts";
import type { AppRecord, UserRecord } from "./store.ts";

/** What the main thread asks of the store's thread. Each is answered once, by a report of the same `id`. */
export type StoreCommand = { readonly id: number } & (
  | { readonly kind: "open"; readonly file: string }
  | { readonly kind: "loadUser"; readonly userId: string }
  | { readonly kind: "saveAudioFormat"; readonly userId: string; readonly format: AudioFormat }
  | {
      readonly kind: "saveWantedApp";
      readonly userId: string;
      readonly packageName: string;
      readonly wanted: boolean;
    }
  | { readonly kind: "saveApp"; readonly app: AppRecord }
  | { readonly kind: "removeApp"; readonly packageName: string }
  /** Commands are carried out in order, so the answer says that all before it are done. */
  | { readonly kind: "flush" }
  | { readonly kind: "close" }
);

export type StoreReport =
  | { readonly kind: "done"; readonly id: number; readonly value?: UserRecord | boolean }
  | { readonly kind: "failed"; readonly id: number; readonly message: string }
  /** The whole catalogue, after opening and after every change of it, whoever made it. */
  | { readonly kind: "catalogue"; readonly apps: readonly AppRecord[] };
