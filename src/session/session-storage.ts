import { Fault } from "../kernel/faults.ts";
import { canonicalUserId } from "../kernel/identity.ts";
import type { Outboxes } from "../kernel/server-probes.ts";
import type { Stop } from "../kernel/stop.ts";
import type { AppRecord, KeptSessions, UserRecord } from "../store/store.ts";
import { type Close, closes } from "../wire/close-codes.ts";
import type { AppUser } from "./app-rooms.ts";
import { watchCatalogue } from "./catalogue-watch.ts";
import type { SessionWorld } from "./session-world.ts";
import { keptUntilMs, UserSession } from "./user-session.ts";

/**
 * All sessions of this server, one a user. Look-ups answer at once, never throw, and never give out a session that is
 * over.
 */
export class SessionStorage {
  readonly #world: SessionWorld;
  readonly #sessions = new Map<string, UserSession>();
  readonly #creations = new Map<string, Promise<UserSession>>();
  readonly #stopWatch: Stop;
  #closing = false;

  constructor(world: SessionWorld) {
    this.#world = world;
    const { catalogue, log, metrics } = world;
    metrics.probes.watchOutboxes(() => outboxesOf(this.all()));
    this.#stopWatch = watchCatalogue(
      catalogue,
      () => this.all(),
      (error) => {
        metrics.errors.inc({ where: "catalogue_watch" });
        log.error({ err: error }, "a change of the catalogue did not take effect in a session");
      },
    );
  }

  get size(): number {
    return this.#sessions.size;
  }

  all(): Iterable<UserSession> {
    return this.#sessions.values();
  }

  /** Everybody for whom an app runs or is expected back, longest first. Takes no longer for users of other apps. */
  usersOf(packageName: string): readonly AppUser[] {
    return this.#world.rooms
      .usersOf(packageName)
      .filter(({ userId }) => this.getSession(userId)?.apps.app(packageName) !== undefined);
  }

  /** Whether an app's server is known to be down. */
  isServerDown(app: AppRecord): boolean {
    return this.#world.circuits.isDown(app);
  }

  /** The user's session; undefined when there is none or it is ending. */
  getSession(userId: string): UserSession | undefined {
    const session = this.#sessions.get(canonicalUserId(userId));
    return session?.disposed ? undefined : session;
  }

  /**
   * The user's session, made if there is none. Callers at the same time get the same one; one that is ending is waited
   * for and followed by a new one.
   * @throws Fault `AT_CAPACITY`, `SHUTTING_DOWN` or `STORE_UNAVAILABLE`
   */
  async getOrCreate(userId: string): Promise<UserSession> {
    const id = canonicalUserId(userId);
    const session = this.getSession(id);
    if (session !== undefined) return session;
    if (this.#closing) throw new Fault("SHUTTING_DOWN");
    const underWay = this.#creations.get(id);
    if (underWay !== undefined) return underWay;
    if (this.#sessions.size + this.#creations.size >= this.#world.config.limits.maxSessions) {
      throw new Fault("AT_CAPACITY");
    }
    const creation = this.#create(id).finally(() => this.#creations.delete(id));
    this.#creations.set(id, creation);
    return creation;
  }

  /**
   * Finds the session that an app means by its session id, which is the user's id and the package name with a hyphen
   * between. Either may contain hyphens, so it is taken apart by what is known, not by where the hyphens are.
   */
  findAppSession(sessionId: string, packageName: string): UserSession | undefined {
    const suffix = `-${packageName}`;
    return sessionId.endsWith(suffix) ? this.getSession(sessionId.slice(0, -suffix.length)) : undefined;
  }

  /**
   * Takes up the sessions that a former process has left and whose grace has not passed; the others are forgotten. To be
   * called before anybody can connect. One that cannot be read is left out, and the others are not touched.
   * @returns how many go on.
   */
  resume({ aliveMs, aheadMs, sessions }: KeptSessions): number {
    const { clock, config, metrics, log, journal } = this.#world;
    const { sessionGraceMs, circuitJitterMs } = config.limits;
    const now = clock.now();
    // The last commit itself took a moment.
    const shiftMs = Math.abs(aheadMs) > clockSetMs ? aheadMs : 0;
    for (const [index, kept] of sessions.entries()) {
      const { userId, user, events } = kept;
      const body = shiftMs === 0 ? kept.body : shifted(kept.body, shiftMs);
      const lostMs = Math.min(now, Math.max(kept.savedMs, aliveMs ?? 0) + shiftMs);
      // Evenly, so that many do not call their apps' servers in the same instant.
      const spreadMs = (circuitJitterMs * index) / sessions.length;
      try {
        const untilMs = keptUntilMs(body, lostMs, sessionGraceMs, now);
        if (untilMs === undefined) throw new Error("it was kept by another version");
        if (untilMs > now) {
          const ownLog = log.child({ user: this.#world.hashUser(userId) });
          const resumed = { body, events, lostMs, untilMs, spreadMs };
          const onDisposed = (ended: UserSession) => this.#forget(ended);
          this.#sessions.set(userId, new UserSession(this.#world, user, ownLog, onDisposed, resumed));
          metrics.sessionsResumed.inc({ outcome: "resumed" });
          continue;
        }
        metrics.sessionsResumed.inc({ outcome: "expired" });
      } catch (error) {
        metrics.sessionsResumed.inc({ outcome: "failed" });
        log.error({ err: error, user: this.#world.hashUser(userId) }, "a session could not be resumed");
      }
      journal.end(userId);
    }
    metrics.sessions.set(this.#sessions.size);
    return this.#sessions.size;
  }

  /** Waits for the last words of everybody who speaks, and lets nobody new in. */
  async finishSpeech(): Promise<void> {
    this.#closing = true;
    await Promise.all([...this.#sessions.values()].map((session) => session.finishSpeech()));
  }

  /** Asks every app how far it has got, so that the next process does not send it again what it has. */
  async askReceipts(): Promise<void> {
    const { clock, config } = this.#world;
    const owing = [...this.#sessions.values()].filter((session) => session.askReceipts());
    if (owing.length > 0)
      await new Promise<void>((resolve) => clock.after(config.limits.drainReceiptMs, resolve));
  }

  /** Ends every session and refuses new ones. Resolves when all are gone. */
  async closeAll(close: Close = closes.restart): Promise<void> {
    this.#closing = true;
    this.#stopWatch();
    await Promise.allSettled(this.#creations.values());
    await Promise.all([...this.#sessions.values()].map((session) => session.end(close, close)));
  }

  async #create(userId: string): Promise<UserSession> {
    await this.#sessions.get(userId)?.end();
    const user = await this.#loadUser(userId);
    if (this.#closing) throw new Fault("SHUTTING_DOWN");
    this.#world.users.saveUser(userId);
    const log = this.#world.log.child({ user: this.#world.hashUser(userId) });
    const session = new UserSession(this.#world, user, log, (ended) => this.#forget(ended));
    this.#sessions.set(userId, session);
    this.#world.metrics.sessions.set(this.#sessions.size);
    return session;
  }

  /** A store that is being restarted, or hangs, is nothing that the user could have done wrong: he is to try again. */
  async #loadUser(userId: string): Promise<UserRecord> {
    try {
      return await this.#world.users.loadUser(userId);
    } catch (error) {
      this.#world.metrics.errors.inc({ where: "load_user" });
      this.#world.log.error({ err: error, user: this.#world.hashUser(userId) }, "a user could not be loaded");
      throw new Fault("STORE_UNAVAILABLE");
    }
  }

  /** Only the session itself is taken out, never the one that has followed it. */
  #forget(session: UserSession): void {
    if (this.#sessions.get(session.userId) === session) this.#sessions.delete(session.userId);
    this.#world.metrics.sessions.set(this.#sessions.size);
  }
}

/** Less than this is no other time of day. */
const clockSetMs = 5_000;
/** What is larger is a time, not a duration: September 2001. */
const leastTimeMs = 1e12;

/** What was kept of a session, with all its times moved: they are in fields that end in `Ms`. */
function shifted(body: string, byMs: number): string {
  const shift = (key: string, value: unknown) =>
    key.endsWith("Ms") && typeof value === "number" && value > leastTimeMs ? value + byMs : value;
  return JSON.stringify(JSON.parse(body, shift));
}

function outboxesOf(sessions: Iterable<UserSession>): Outboxes {
  let events = 0;
  let bytes = 0;
  let mostEvents = 0;
  for (const session of sessions) {
    for (const owed of session.apps.owed()) {
      events += owed.events;
      bytes += owed.bytes;
      mostEvents = Math.max(mostEvents, owed.events);
    }
  }
  return { events, bytes, mostEvents };
}
