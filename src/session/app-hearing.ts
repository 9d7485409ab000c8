import type { Clock } from "../kernel/clock.ts";
import type { Limits } from "../kernel/limits.ts";
import type { Metrics } from "../kernel/metrics.ts";
import type { ToApp } from "../wire/apps.ts";
import { streamRefusal } from "../wire/refusals.ts";
import { type Stream, streamKey } from "../wire/streams.ts";
import type { AppLink } from "./app-link.ts";
import type { Manager, Publish } from "./manager.ts";
import type { DeliveryClass } from "./outbox.ts";
import { SubscriptionHistory } from "./subscription-history.ts";
import {
  grantedPermissions,
  type Listener,
  type RequestedStream,
  readSubscriptions,
  Subscriptions,
} from "./subscriptions.ts";

/** What the hearing of the apps needs of their session. */
export interface AppHearingHost {
  readonly clock: Clock;
  readonly limits: Limits;
  readonly metrics: Metrics;
  readonly managers: readonly Manager[];
  readonly link: (packageName: string) => AppLink | undefined;
  /** What the apps together hear has changed. */
  readonly onChange: () => void;
  /** The same, for what is kept of it. */
  readonly changed: () => void;
}

/** What an app has heard and been denied since its last connect. */
interface Connection {
  readonly heard: Set<string>;
  readonly denied: Set<string>;
}

/** What the apps of one session hear: their lists, and the way of every event to those who asked for it and may have it. */
export class AppHearing {
  readonly subscriptions = new Subscriptions();
  /** What the apps have heard since the session began. */
  readonly history: SubscriptionHistory;
  readonly #host: AppHearingHost;
  readonly #connections = new Map<string, Connection>();

  constructor(host: AppHearingHost) {
    this.#host = host;
    this.history = new SubscriptionHistory(host.clock, host.limits);
  }

  /** An app has a new socket: it has been told nothing on it yet. */
  connected(packageName: string): void {
    this.#connections.set(packageName, { heard: new Set(), denied: new Set() });
  }

  /** Takes an app out of routing. */
  remove(packageName: string): void {
    this.subscriptions.remove(packageName);
    this.#connections.delete(packageName);
  }

  /** What an app's list in force asks for. */
  requestedBy(packageName: string): readonly RequestedStream[] {
    return this.subscriptions.streamsOf(packageName).map((stream) => {
      const rate = stream.kind === "plain" ? stream.rate : undefined;
      return rate === undefined ? stream.literal : { stream: stream.literal, rate };
    });
  }

  /** The list that an app had in a former process. */
  restore(
    packageName: string,
    requested: readonly RequestedStream[],
    permissions: readonly string[],
  ): readonly Stream[] {
    const granted = grantedPermissions(permissions);
    const { streams } = readSubscriptions(requested, granted, this.#host.limits.subscriptionsPerApp);
    this.subscriptions.replace(packageName, streams, granted);
    return streams;
  }

  /** A list of an app, which replaces its former one, if it is not empty at once. */
  subscribe(link: AppLink, requested: readonly RequestedStream[]): void {
    const { limits, metrics } = this.#host;
    const { granted } = link;
    const { streams, denied, overflow } = readSubscriptions(requested, granted, limits.subscriptionsPerApp);
    if (overflow > 0) {
      metrics.messagesRejected.inc({ side: "app", reason: "too_many_subscriptions" }, overflow);
    }
    const commit = () => {
      this.subscriptions.replace(link.packageName, streams, granted);
      this.history.note(link.packageName, this.subscriptions.literalsOf(link.packageName));
      // First what is known by now, which takes the place of what waits of the same kind, and then what waits.
      this.#tellManagers(link, streams);
      link.subscribed(this.subscriptions.literalsOf(link.packageName));
      this.#host.onChange();
      this.#host.changed();
    };
    if (streams.length === 0) {
      link.held.empty(this.subscriptions.literalsOf(link.packageName).length > 0, commit);
    } else {
      link.held.reset();
      commit();
    }
    // The SDK sends its list anew for every handler, and raises an error in the app for every refusal.
    const told = this.#connections.get(link.packageName)?.denied ?? new Set();
    const news = denied.filter(({ stream }) => !told.has(stream));
    if (news.length === 0) return;
    if (told.size + news.length > limits.subscriptionsPerApp) told.clear();
    for (const { stream } of news) told.add(stream);
    link.send(streamRefusal("PERMISSION_DENIED", "Some subscriptions were denied", news));
  }

  /** Delivers an event to every app that hears the stream `key`. */
  publish(key: string, data: unknown, deliveryClass: DeliveryClass, slot: string, supersedes?: string): void {
    this.#deliver(this.subscriptions.match(key), data, deliveryClass, slot, supersedes);
  }

  /** Delivers an event of the stream `key` to one app, if it hears it. */
  publishTo(only: string, ...[key, data, deliveryClass, slot, supersedes]: Parameters<Publish>): void {
    const listeners = this.subscriptions.match(key).filter(({ packageName }) => packageName === only);
    this.#deliver(listeners, data, deliveryClass, slot, supersedes);
  }

  /** Hands PCM to the apps that asked for it. */
  publishAudio(pcm: Uint8Array): void {
    for (const { packageName } of this.subscriptions.match("audio_chunk")) {
      this.#host.link(packageName)?.sendAudio(pcm);
    }
  }

  #deliver(
    listeners: readonly Listener[],
    data: unknown,
    deliveryClass: DeliveryClass,
    slot: string,
    supersedes: string | undefined,
  ): void {
    for (const { packageName, literal } of listeners) {
      const link = this.#host.link(packageName);
      if (link === undefined) continue;
      const message: ToApp = { type: "data_stream", sessionId: link.sessionId, streamType: literal, data };
      const of = (name: string) => `${literal} ${name}`;
      link.deliver(message, deliveryClass, of(slot), supersedes === undefined ? undefined : of(supersedes));
    }
  }

  /** Newly heard streams may have something to say at once, such as the last known place. */
  #tellManagers(link: AppLink, streams: readonly Stream[]): void {
    const heard = this.#connections.get(link.packageName)?.heard ?? new Set();
    const keys = streams.map(streamKey).filter((key) => key !== undefined);
    const added = keys.filter((key) => !heard.has(key));
    for (const key of added) heard.add(key);
    for (const manager of this.#host.managers) {
      if (added.length > 0) manager.onAppHears?.(link, added);
      manager.onSubscriptionsChanged?.();
    }
  }
}
