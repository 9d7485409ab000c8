import type { AudioLanes } from "../audio/lanes.ts";
import type { Clock } from "../kernel/clock.ts";
import type { Config } from "../kernel/config.ts";
import type { Logger } from "../kernel/log.ts";
import type { Metrics } from "../kernel/metrics.ts";
import type { AppCatalogue, UserStore } from "../store/store.ts";
import type { Webhooks } from "./ports.ts";

/** The world as a session sees it; shared by all sessions. */
export interface SessionWorld {
  readonly config: Config;
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: Metrics;
  readonly lanes: AudioLanes;
  readonly catalogue: AppCatalogue;
  readonly users: UserStore;
  readonly webhooks: Webhooks;
  /** Address at which an app that was sent this nonce connects. */
  readonly websocketUrl: (nonce: string) => string;
}
