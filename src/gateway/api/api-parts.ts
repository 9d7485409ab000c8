import type { Clock } from "../../kernel/clock.ts";
import type { Config } from "../../kernel/config.ts";
import type { Limits } from "../../kernel/limits.ts";
import type { Logger } from "../../kernel/log.ts";
import type { Metrics } from "../../kernel/metrics.ts";
import type { Webhooks } from "../../session/ports.ts";
import type { Store } from "../../store/store.ts";
import type { ExpectedPhotos } from "../expected-photos.ts";
import type { PublicAddress } from "../public-address.ts";
import type { RateLimiter } from "../rate-limiter.ts";
import type { ApiSessions } from "../sessions.ts";
import type { Voice } from "../voice.ts";

/** What the rest of the server says about itself. */
export interface HealthReport {
  readonly speech: {
    readonly available: boolean;
    readonly detail: string;
    /** Providers in the cloud, over all threads. */
    readonly providers: readonly {
      readonly id: string;
      readonly circuit: "closed" | "open" | "probing";
      readonly connections: number;
      readonly waiting: number;
    }[];
    /** Streams that nobody serves at the moment. */
    readonly unserved: number;
  };
  /** Codecs that can be decoded here: `pcm`, `opus`, `lc3`. */
  readonly codecs: readonly string[];
  /** What is missing, a sentence each. */
  readonly degraded: readonly string[];
}

/** What every group of endpoints needs to let its callers in. */
export interface EndpointParts {
  readonly config: Pick<Config, "targets" | "metrics">;
  readonly clock: Clock;
  readonly limits: Limits;
  readonly log: Logger;
  readonly metrics: Metrics;
  readonly sessions: ApiSessions;
  readonly store: Store;
  readonly address: PublicAddress;
  readonly tokenSecret: string;
  readonly adminToken: string;
  readonly rates: RateLimiter;
  /** The address that a request came from; that of a proxy, where one stands before the server. */
  readonly peerOf: (request: Request) => string;
}

/** What all groups together are built from. */
export interface ApiParts extends EndpointParts {
  readonly webhooks: Pick<Webhooks, "probe">;
  /** The pictures that sessions wait for. */
  readonly photos: ExpectedPhotos;
  readonly voice: Pick<Voice, "speak">;
  readonly health: () => HealthReport;
  /** True from the moment the server drains. */
  readonly draining: () => boolean;
}
