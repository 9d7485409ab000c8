import type { Stop } from "../kernel/stop.ts";
import type { UserSettings, UserStore } from "../store/store.ts";
import type { AppMessage } from "../wire/apps.ts";
import type { GlassesMessage } from "../wire/glasses.ts";
import { type RefusalCode, refusalError, streamRefusal } from "../wire/refusals.ts";
import type { Stream } from "../wire/streams.ts";
import type { Manager, SessionApp, SessionContext } from "./manager.ts";
import { type KnownPlace, keepPlace, type Place, readKeptPlace, readPlace } from "./place.ts";

/**
 * Where the user is: how exactly the phone is to look, the last known place, and apps that ask for it once. A place that
 * answers an app's question goes to that app alone; any other goes to all that listen.
 */

/** How exactly and how often the phone looks, from the least to the most; with how long, in milliseconds, a place stays good. */
const tiers = [
  { name: "reduced", freshMs: 900_000 },
  { name: "threeKilometers", freshMs: 900_000 },
  { name: "kilometer", freshMs: 300_000 },
  { name: "hundredMeters", freshMs: 60_000 },
  { name: "tenMeters", freshMs: 30_000 },
  { name: "standard", freshMs: 30_000 },
  { name: "high", freshMs: 10_000 },
  { name: "realtime", freshMs: 1_000 },
] as const;

export type LocationTier = (typeof tiers)[number]["name"];

/** The streams under which apps hear of a place, each in its own frame. */
const locationStreams = ["location_update", "location_stream"] as const;

/** Of a phone that nobody has asked for more. */
const leastTier: LocationTier = "reduced";
/** Of an app that subscribes without saying how exactly. */
const plainTier: LocationTier = "standard";

/** The tier of this name; the plain one for a name that is none. */
export function readTier(name: string | undefined): LocationTier {
  return tiers.find((tier) => tier.name === name)?.name ?? plainTier;
}

/** The highest tier that any of these subscriptions asks for. */
export function effectiveTier(streams: readonly Stream[]): LocationTier {
  const wanted = streams.map((stream) => {
    if (stream.kind !== "plain") return 0;
    if (stream.name === "location_stream") return rankOf(readTier(stream.rate));
    return stream.name === "location_update" ? rankOf(plainTier) : 0;
  });
  return tiers[Math.max(0, ...wanted)]?.name ?? leastTier;
}

function rankOf(name: LocationTier): number {
  return tiers.findIndex((tier) => tier.name === name);
}

/** For how long a place is good enough for a question of this tier. */
export function freshForMs(tier: LocationTier): number {
  return tiers[rankOf(tier)]?.freshMs ?? 0;
}

/** An app's question that waits for the phone. */
interface Poll {
  readonly packageName: string;
  readonly accuracy: LocationTier;
  readonly untilMs: number;
  /** How often the phone was asked: once, and once more if it came back in the meantime. */
  asked: number;
  readonly cancel: Stop;
}

/** What is kept of the location in case the process ends. */
interface KeptLocation {
  readonly last?: KnownPlace;
  readonly polls: readonly (Omit<Poll, "cancel"> & { readonly correlationId: string })[];
}

export class LocationManager implements Manager {
  readonly #context: SessionContext;
  readonly #polls = new Map<string, Poll>();
  readonly #users: UserStore;
  #last: KnownPlace | undefined;
  /** Whether it is one of this session. */
  #isNews = false;
  /** What the phone was told, or starts with. */
  #tier: LocationTier = leastTier;
  #cancelReview: Stop | undefined;

  /** @param kept the user's values by package, among which the last session has left its last place. */
  constructor(context: SessionContext, users: UserStore, kept: UserSettings["apps"]) {
    this.#context = context;
    this.#users = users;
    this.#last = readKeptPlace(kept, context.clock.now());
  }

  /** The last known place. */
  get last(): Place | undefined {
    return this.#last?.place;
  }

  /** What the phone is asked to do. */
  get tier(): LocationTier {
    return this.#tier;
  }

  /** Questions that wait for an answer. */
  get pendingPolls(): number {
    return this.#polls.size;
  }

  /**
   * Takes a place that the phone reports by itself, as the `location` of `POST /api/client/location` holds it: `lat` and
   * `lng` or the fields of an Expo location. If it names a `correlationId`, it answers that question.
   * @returns whether it was a place.
   */
  applyReport(location: unknown): boolean {
    const id =
      typeof location === "object" && location !== null && "correlationId" in location
        ? location.correlationId
        : undefined;
    return typeof id === "string" && this.#polls.has(id)
      ? this.answerPoll(id, location)
      : this.#takeUnasked(location);
  }

  /**
   * Takes the answer to a question, as `POST /api/client/location/poll-response/:correlationId` brings it. Nobody but the
   * asker is told. An answer that comes too late only becomes the last known place.
   * @returns whether somebody was waiting for it and it was a place.
   */
  answerPoll(correlationId: string, location: unknown): boolean {
    const read = readPlace(location, this.#context.clock.now());
    if (read === undefined) return false;
    this.#learn(read);
    return this.#settle(correlationId, read.place);
  }

  onGlassesMessage(message: GlassesMessage): void {
    if (message.type === "location_update") this.applyReport(message);
  }

  onAppMessage(app: SessionApp, message: AppMessage): boolean {
    if (message.type !== "location_poll_request") return false;
    this.#poll(app, message.correlationId, readTier(message.accuracy));
    return true;
  }

  onAppHears(app: SessionApp, keys: readonly string[]): void {
    const { place } = this.#last ?? {};
    if (place === undefined) return;
    // Who hears everything hears of places as the first of the two.
    const news = locationStreams.filter((key, i) => keys.includes(key) || (i === 0 && keys.includes("*")));
    for (const key of news) this.#context.publishTo(app.packageName, key, place, "newest", key);
  }

  onSubscriptionsChanged(): void {
    // The SDK sends its list anew for every handler, so the phone is told where they end up.
    this.#cancelReview ??= this.#context.clock.after(this.#context.limits.microphoneBatchMs, () => {
      this.#cancelReview = undefined;
      this.#tellTier();
    });
  }

  onAppGone(packageName: string): void {
    for (const [id, poll] of this.#polls) if (poll.packageName === packageName) this.#forget(id);
  }

  /** The phone is back with a new socket, and may have forgotten what it was told. */
  restoreTier(): void {
    this.#tier = this.#wantedTier();
    // A phone starts at the least by itself, so that only more needs saying.
    if (this.#tier !== leastTier)
      this.#context.sendToGlasses({ type: "set_location_tier", tier: this.#tier });
  }

  onGlassesConnected(returning: boolean): void {
    if (!returning) return;
    const now = this.#context.clock.now();
    for (const [id, poll] of this.#polls) {
      const worthwhile = poll.asked === 0 || poll.untilMs - now >= this.#context.limits.resendLeastMs;
      if (worthwhile && poll.asked < 2) this.#ask(id, poll);
    }
  }

  keep(): KeptLocation | undefined {
    const polls = [...this.#polls].map(([correlationId, { cancel: _, ...poll }]) => ({
      correlationId,
      ...poll,
    }));
    if (this.#last === undefined && polls.length === 0) return undefined;
    return { ...(this.#last && { last: this.#last }), polls };
  }

  resume({ last, polls }: KeptLocation): void {
    this.#last = last ?? this.#last;
    this.#isNews = last !== undefined;
    for (const { correlationId, ...poll } of polls) {
      const cancel = this.#context.clock.at(poll.untilMs, () => this.#expire(correlationId));
      this.#polls.set(correlationId, { ...poll, cancel });
    }
  }

  dispose(): void {
    this.#cancelReview?.();
    for (const id of [...this.#polls.keys()]) this.#forget(id);
    if (this.#isNews && this.#last !== undefined) {
      keepPlace(this.#users, this.#context.userId, this.#last);
    }
    this.#last = undefined;
  }

  #takeUnasked(location: unknown): boolean {
    const read = readPlace(location, this.#context.clock.now());
    if (read === undefined) return false;
    this.#learn(read);
    for (const key of locationStreams) this.#context.publish(key, read.place, "newest", key);
    // What the phone has just told would be a fresh answer to anybody who asked now, so it is one to those who wait.
    for (const [id, poll] of this.#polls) {
      if (this.#isFresh(poll.accuracy)) this.#settle(id, read.place);
    }
    return true;
  }

  #learn(known: KnownPlace): void {
    this.#last = known;
    this.#isNews = true;
    this.#context.changed();
  }

  #poll(app: SessionApp, correlationId: string, accuracy: LocationTier): void {
    const { limits, clock, metrics } = this.#context;
    if (!app.may("LOCATION")) {
      metrics.requestsRefused.inc({ request: "location_poll_request", code: "PERMISSION_DENIED" });
      const message = "Asking for the location needs the permission LOCATION";
      const details = [{ stream: "location_update", requiredPermission: "LOCATION", message } as const];
      app.send(streamRefusal("PERMISSION_DENIED", message, details));
      return;
    }
    if (this.#last !== undefined && this.#isFresh(accuracy)) {
      this.#answer(app, correlationId, this.#last.place);
      return;
    }
    const same = this.#polls.get(correlationId);
    if (same?.packageName === app.packageName) return;
    const own = [...this.#polls.values()].filter(({ packageName }) => packageName === app.packageName);
    if (same !== undefined || own.length >= limits.locationPollsPerApp) {
      this.#refuse(app, same === undefined ? "TOO_MANY_REQUESTS" : "DUPLICATE_REQUEST");
      return;
    }
    const untilMs = clock.now() + limits.locationPollMs;
    const cancel = clock.at(untilMs, () => this.#expire(correlationId));
    const poll: Poll = { packageName: app.packageName, accuracy, untilMs, asked: 0, cancel };
    this.#polls.set(correlationId, poll);
    this.#context.changed();
    this.#ask(correlationId, poll);
  }

  #ask(correlationId: string, poll: Poll): void {
    const { accuracy } = poll;
    const result = this.#context.sendToGlasses({ type: "request_single_location", accuracy, correlationId });
    if (result === "dropped") return;
    poll.asked++;
    this.#context.changed();
    this.#context.probeGlasses(() => {
      if (this.#polls.get(correlationId) === poll) this.#giveUp(correlationId, "PHONE_NOT_RESPONDING");
    });
  }

  #expire(correlationId: string): void {
    const asked = this.#polls.get(correlationId)?.asked ?? 0;
    this.#giveUp(correlationId, asked > 0 ? "PHONE_TIMEOUT" : "PHONE_NOT_CONNECTED");
  }

  #giveUp(correlationId: string, code: RefusalCode): void {
    const poll = this.#polls.get(correlationId);
    this.#forget(correlationId);
    const app = poll === undefined ? undefined : this.#context.app(poll.packageName);
    if (app !== undefined) this.#refuse(app, code);
  }

  /** Answers a waiting question. Returns whether there was one. */
  #settle(correlationId: string, place: Place): boolean {
    const poll = this.#polls.get(correlationId);
    if (poll === undefined) return false;
    this.#forget(correlationId);
    const app = this.#context.app(poll.packageName);
    if (app !== undefined) this.#answer(app, correlationId, place);
    return true;
  }

  /** The SDK matches answers by their id, and only under this very stream. */
  #answer(app: SessionApp, correlationId: string, place: Place): void {
    const { sessionId } = app;
    const data = { ...place, correlationId };
    app.deliver({ type: "data_stream", sessionId, streamType: "location_update", data }, "must", "poll");
  }

  #refuse(app: SessionApp, code: RefusalCode): void {
    this.#context.metrics.requestsRefused.inc({ request: "location_poll_request", code });
    app.send(refusalError(code));
  }

  #forget(correlationId: string): void {
    this.#polls.get(correlationId)?.cancel();
    if (this.#polls.delete(correlationId)) this.#context.changed();
  }

  #isFresh(accuracy: LocationTier): boolean {
    if (this.#last === undefined) return false;
    return this.#context.clock.now() - this.#last.atMs <= freshForMs(accuracy);
  }

  #wantedTier(): LocationTier {
    const { apps, streamsOf } = this.#context;
    return effectiveTier(apps().flatMap(({ packageName }) => streamsOf(packageName)));
  }

  #tellTier(): void {
    const wanted = this.#wantedTier();
    if (wanted === this.#tier) return;
    // While the phone is away there is nobody to tell; it learns the tier on its return.
    this.#tier = wanted;
    this.#context.sendToGlasses({ type: "set_location_tier", tier: wanted });
  }
}
