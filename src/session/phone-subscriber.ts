import type { Limits } from "../kernel/limits.ts";
import type { Metrics } from "../kernel/metrics.ts";
import type { ToGlasses } from "../wire/glasses.ts";
import type { SendResult } from "./ports.ts";
import { grantedPermissions, readSubscriptions, type Subscriptions } from "./subscriptions.ts";

/** Stands for the phone among the packages: no package can be called so. */
const phoneSubscriber = "(phone)";

/** What the subscriber needs of its session. */
export interface PhoneHost {
  readonly subscriptions: Subscriptions;
  readonly limits: Limits;
  readonly metrics: Metrics;
  readonly send: (message: ToGlasses) => SendResult;
}

/**
 * The phone as one more subscriber, for the apps that run on it: it may hear everything of its own user, under the string
 * it subscribed with. It gets no raw audio back, which it has sent itself. What it misses while it is away is not kept.
 */
export class PhoneSubscriber {
  readonly #host: PhoneHost;
  #listening = false;

  constructor(host: PhoneHost) {
    this.#host = host;
  }

  /** Replaces the phone's whole list. */
  subscribe(requested: readonly string[]): void {
    const { subscriptions, limits, metrics } = this.#host;
    const { streams, overflow } = readSubscriptions(requested, everything, limits.subscriptionsPerApp);
    if (overflow > 0) {
      metrics.messagesRejected.inc({ side: "glasses", reason: "too_many_subscriptions" }, overflow);
    }
    const heard = streams.filter((stream) => stream.kind !== "plain" || stream.name !== "audio_chunk");
    this.#listening = heard.length > 0;
    if (this.#listening) subscriptions.replace(phoneSubscriber, heard, everything);
    else subscriptions.remove(phoneSubscriber);
  }

  /** An event of the stream `key`. */
  publish(key: string, data: unknown): void {
    if (!this.#listening) return;
    for (const { packageName, literal } of this.#host.subscriptions.match(key)) {
      if (packageName === phoneSubscriber) {
        this.#host.send({ type: "data_stream", streamType: literal, data });
      }
    }
  }
}

const everything = grantedPermissions(["ALL"]);
