import type { AudioLanes } from "../audio/lanes.ts";
import type { Clock } from "../kernel/clock.ts";
import type { Config } from "../kernel/config.ts";
import type { UserHash } from "../kernel/identity.ts";
import type { Logger } from "../kernel/log.ts";
import type { Metrics } from "../kernel/metrics.ts";
import type { Journal } from "../store/journal.ts";
import type { AppCatalogue, UserStore } from "../store/store.ts";
import type { AppCircuits } from "./app-circuits.ts";
import type { AppRooms } from "./app-rooms.ts";
import type { PhotoDelivery, Webhooks } from "./ports.ts";

/** The world as a session sees it; shared by all sessions. */
export interface SessionWorld {
  readonly config: Config;
  readonly clock: Clock;
  readonly log: Logger;
  /** What stands for a user in the log. */
  readonly hashUser: UserHash;
  readonly metrics: Metrics;
  readonly lanes: AudioLanes;
  readonly catalogue: AppCatalogue;
  readonly users: UserStore;
  /** Keeps what must not be lost with this process. */
  readonly journal: Journal;
  readonly webhooks: Webhooks;
  /** What is known of the apps' servers, whoever calls them. */
  readonly circuits: AppCircuits;
  /** Where the users of one app meet. */
  readonly rooms: AppRooms;
  readonly photos: PhotoDelivery;
  /** Where apps and phones reach this server, without a trailing slash. */
  readonly publicUrl: () => string;
  /** Address at which an app that was sent this nonce connects. */
  readonly websocketUrl: (nonce: string) => string;
}
