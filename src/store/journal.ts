import type { Clock } from "../kernel/clock.ts";
import { Containment } from "../kernel/containment.ts";
import type { Limits } from "../kernel/limits.ts";
import type { Logger } from "../kernel/log.ts";
import type { Metrics } from "../kernel/metrics.ts";
import type { Stop } from "../kernel/stop.ts";
import type { JournalBatch, KeptEvent, SessionStore } from "./store.ts";

/** Keeps what sessions must not lose with the process. Nobody waits for a disk here: whoever must, is called back. */
export interface Journal {
  /**
   * Keeps an event. `done` is called once: when the event is committed, or when it is clear that the disk will not have it
   * soon, since an event that nobody can keep is to be delivered all the same.
   */
  keep(event: KeptEvent, done: () => void): void;
  /** Events of an app up to this number have arrived, or are not to be delivered any more. */
  settle(userId: string, packageName: string, upToSeq: number): void;
  /**
   * Something of a session has changed. `read` is called when its turn comes, once for all changes until then, and gives
   * the whole session as JSON. Undefined: it cannot be read, and stays as it was last kept.
   * @param atOnce events that are kept from now on make sense only with this change: it is committed no later than they are.
   */
  save(userId: string, read: () => string | undefined, atOnce?: boolean): void;
  /** A session is over: nothing of it is kept. */
  end(userId: string): void;
}

/** How well the journal keeps what it is given. */
export type Durability =
  | { readonly name: "durable" }
  /** Commits take longer than anybody may wait for them. */
  | { readonly name: "slow"; readonly sinceMs: number }
  | { readonly name: "failing"; readonly sinceMs: number; readonly reason: string };

export type DurabilityEvent =
  | { readonly kind: "committed"; readonly tookMs: number }
  | { readonly kind: "late" }
  | { readonly kind: "failed"; readonly reason: string };

/** What the durability becomes when something happens. Pure. */
export function nextDurability(
  state: Durability,
  event: DurabilityEvent,
  nowMs: number,
  limits: Pick<Limits, "commitPatienceMs">,
): Durability {
  const sinceMs = state.name === "durable" ? nowMs : state.sinceMs;
  switch (event.kind) {
    case "committed":
      // One that took too long says that the next may as well.
      return event.tookMs <= limits.commitPatienceMs ? { name: "durable" } : { name: "slow", sinceMs };
    case "late":
      return state.name === "failing" ? state : { name: "slow", sinceMs };
    case "failed":
      return { name: "failing", sinceMs, reason: event.reason };
  }
}

export interface StoreJournalParts {
  readonly store: SessionStore;
  readonly clock: Clock;
  readonly limits: Limits;
  readonly log: Logger;
  readonly metrics: Metrics;
}

interface Waiting {
  readonly event: KeptEvent;
  /** Undefined once whoever waits has been called. */
  done: (() => void) | undefined;
}

/** A session that has changed since it was last committed. */
interface Changed {
  readonly read: () => string | undefined;
  readonly atMs: number;
  /** Whether what is committed with it makes sense only together with it. */
  readonly atOnce: boolean;
}

/**
 * A journal in a store. What comes in one turn of the main loop is committed together: at once while nothing else is being
 * committed, and under load no sooner than `commitGroupMs` after the commit before, so that a busy server pays for a
 * hundred commits a second however much it keeps. When the disk fails or is slow, service goes on without it, which is
 * counted, logged and told; what could not be committed is tried again, as far as the bound allows.
 */
export class StoreJournal implements Journal {
  readonly #parts: StoreJournalParts;
  readonly #containment: Containment;
  #events: Waiting[] = [];
  #bytes = 0;
  /** By user and package. */
  readonly #settled = new Map<string, { userId: string; packageName: string; upToSeq: number }>();
  readonly #ended = new Set<string>();
  readonly #changed = new Map<string, Changed>();
  /** When each session was last read. */
  readonly #readAtMs = new Map<string, number>();
  readonly #sessions = new Set<string>();
  /** Whether a commit is wanted though nothing may have changed. */
  #due = false;
  /** Being committed. */
  #underWay: readonly Waiting[] | undefined;
  #startedMs = Number.NEGATIVE_INFINITY;
  #cancelTurn: Stop | undefined;
  #turnAtMs = Number.POSITIVE_INFINITY;
  #durability: Durability = { name: "durable" };
  #sealed = false;
  #closed = false;
  readonly #stopAlive: Stop;
  #idle: PromiseWithResolvers<void> | undefined;

  constructor(parts: StoreJournalParts) {
    this.#parts = parts;
    const { clock, limits, metrics, log } = parts;
    this.#containment = new Containment(clock, metrics, log);
    this.#stopAlive = clock.every(limits.aliveMs, () => {
      if (this.#sessions.size > 0) this.#schedule(clock.now(), true);
    });
  }

  /** How well it keeps what it is given. */
  get durability(): Durability {
    return this.#durability;
  }

  /** Events that wait to be committed. */
  get pending(): number {
    return this.#events.length + (this.#underWay?.length ?? 0);
  }

  keep(event: KeptEvent, done: () => void): void {
    const waits = this.#durability.name === "durable" && !this.#closed;
    this.#events.push({ event, done: waits ? done : undefined });
    this.#bytes += sizeOf(event);
    this.#shed();
    if (!waits) done();
    this.#schedule(this.#parts.clock.now());
  }

  settle(userId: string, packageName: string, upToSeq: number): void {
    if (this.#sealed) return;
    const key = `${userId}\n${packageName}`;
    const former = this.#settled.get(key);
    if (former !== undefined && former.upToSeq >= upToSeq) return;
    this.#settled.set(key, { userId, packageName, upToSeq });
    this.#drop(
      (event) => event.userId === userId && event.packageName === packageName && event.seq <= upToSeq,
    );
    this.#schedule(this.#parts.clock.now());
  }

  save(userId: string, read: () => string | undefined, atOnce = false): void {
    if (this.#sealed) return;
    this.#sessions.add(userId);
    const { clock, limits } = this.#parts;
    const now = clock.now();
    const turnMs = (this.#readAtMs.get(userId) ?? 0) + limits.snapshotEveryMs;
    const former = this.#changed.get(userId);
    const atMs = Math.min(atOnce ? now : Math.max(now, turnMs), former?.atMs ?? Number.POSITIVE_INFINITY);
    // The former may stand for what a commit that has failed was to keep.
    this.#changed.set(userId, { read, atMs, atOnce: atOnce || former?.atOnce === true });
    this.#schedule(atMs);
  }

  end(userId: string): void {
    if (this.#sealed) return;
    this.#sessions.delete(userId);
    this.#changed.delete(userId);
    this.#readAtMs.delete(userId);
    for (const [key, settled] of this.#settled) if (settled.userId === userId) this.#settled.delete(key);
    this.#drop((event) => event.userId === userId);
    this.#ended.add(userId);
    this.#schedule(this.#parts.clock.now());
  }

  /** Commits all there is, sessions included whose turn has not come. Resolves when that is done or has failed. */
  async flush(): Promise<void> {
    const now = this.#parts.clock.now();
    for (const [userId, changed] of this.#changed) this.#changed.set(userId, { ...changed, atMs: now });
    this.#idle ??= Promise.withResolvers<void>();
    const { promise } = this.#idle;
    this.#startedMs = Number.NEGATIVE_INFINITY;
    this.#schedule(now, true);
    await promise;
  }

  /**
   * Commits all there is and takes nothing more, however long that takes: from its call on, what ends with the process is
   * not taken for having ended. Safe to call twice.
   * @throws Error of one line when it could not be committed.
   */
  async close(): Promise<void> {
    if (this.#sealed) return;
    this.#sealed = true;
    await this.flush();
    this.#closed = true;
    this.#stopAlive();
    this.#cancelTurn?.();
    for (const waiting of this.#events) this.#release(waiting);
    if (this.#durability.name === "failing") {
      throw new Error(`what must not be lost was not committed: ${this.#durability.reason}`);
    }
  }

  /** Arranges for a commit at that time, or as soon after as the grouping allows. `always`: though nothing has changed. */
  #schedule(atMs: number, always = false): void {
    if (this.#closed) return;
    if (always) this.#due = true;
    if (this.#underWay !== undefined) return;
    const { clock, limits } = this.#parts;
    const now = clock.now();
    const pauseMs = this.#durability.name === "failing" ? limits.commitRetryMs : limits.commitGroupMs;
    const turnAtMs = Math.max(atMs, now, this.#startedMs + pauseMs);
    if (turnAtMs >= this.#turnAtMs) return;
    this.#cancelTurn?.();
    this.#turnAtMs = turnAtMs;
    if (turnAtMs > now) {
      this.#cancelTurn = clock.at(turnAtMs, () => this.#commit());
      return;
    }
    // After what is going on now, so that everything that comes of one message is committed together.
    let cancelled = false;
    this.#cancelTurn = () => {
      cancelled = true;
    };
    queueMicrotask(() => {
      if (!cancelled) this.#commit();
    });
  }

  #commit(): void {
    this.#cancelTurn = undefined;
    this.#turnAtMs = Number.POSITIVE_INFINITY;
    const { clock, store, limits, metrics } = this.#parts;
    const now = clock.now();
    const underWay = this.#events;
    const batch: JournalBatch = {
      ended: [...this.#ended],
      settled: [...this.#settled.values()],
      events: underWay.map(({ event }) => event),
      sessions: this.#readSessions(now),
      aliveMs: now,
    };
    const empty =
      batch.ended.length + batch.settled.length + batch.events.length + batch.sessions.length === 0;
    if (empty && !this.#due) {
      this.#settleIdle();
      return;
    }
    this.#due = false;
    this.#events = [];
    this.#bytes = 0;
    this.#settled.clear();
    this.#ended.clear();
    this.#underWay = underWay;
    this.#startedMs = now;
    const stopPatience = clock.after(limits.commitPatienceMs, () => {
      this.#learn({ kind: "late" });
    });
    const took = () => {
      stopPatience();
      const tookMs = clock.now() - now;
      metrics.commitMs.observe(tookMs);
      return tookMs;
    };
    store.commit(batch).then(
      () => {
        const tookMs = took();
        metrics.commits.inc({ outcome: "committed" });
        this.#underWay = undefined;
        this.#learn({ kind: "committed", tookMs });
        for (const waiting of underWay) this.#release(waiting);
        this.#next();
      },
      (error: unknown) => {
        took();
        metrics.commits.inc({ outcome: "failed" });
        this.#underWay = undefined;
        this.#putBack(batch, underWay);
        this.#learn({ kind: "failed", reason: error instanceof Error ? error.message : String(error) });
        this.#settleIdle();
        this.#next();
      },
    );
  }

  /**
   * The sessions whose turn it is, as many as can be read without holding up the main loop; the others are next. One that
   * cannot be read stays as it was last kept.
   */
  #readSessions(nowMs: number): JournalBatch["sessions"][number][] {
    const { clock, limits } = this.#parts;
    const read: JournalBatch["sessions"][number][] = [];
    // At the end nobody is held up, and there is no next turn.
    const untilMs = this.#idle === undefined ? nowMs + limits.snapshotsMs : Number.POSITIVE_INFINITY;
    for (const [userId, changed] of this.#changed) {
      const hasToWait = !changed.atOnce && read.length > 0 && clock.now() >= untilMs;
      if (hasToWait || changed.atMs > nowMs) continue;
      this.#changed.delete(userId);
      this.#readAtMs.set(userId, nowMs);
      this.#containment.run("snapshot", () => {
        const body = changed.read();
        if (body !== undefined) read.push({ userId, savedMs: nowMs, body });
      });
    }
    return read;
  }

  #next(): void {
    const work = this.#events.length + this.#settled.size + this.#ended.size;
    const earliest = Math.min(...[...this.#changed.values()].map(({ atMs }) => atMs));
    if (work > 0 || this.#due) this.#schedule(this.#parts.clock.now());
    else if (earliest < Number.POSITIVE_INFINITY) this.#schedule(earliest);
    if (work === 0 && !this.#due && this.#changed.size === 0) this.#settleIdle();
  }

  #settleIdle(): void {
    this.#idle?.resolve();
    this.#idle = undefined;
  }

  /** What could not be committed comes before what has come since, unless that has made it pointless. */
  #putBack(batch: JournalBatch, events: readonly Waiting[]): void {
    const ended = new Set(this.#ended);
    for (const userId of batch.ended) this.#ended.add(userId);
    for (const settled of batch.settled) {
      const key = `${settled.userId}\n${settled.packageName}`;
      if (ended.has(settled.userId)) continue;
      const later = this.#settled.get(key);
      if (later === undefined || later.upToSeq < settled.upToSeq) this.#settled.set(key, settled);
    }
    const isOpen = ({ event: { userId, packageName, seq } }: Waiting) =>
      !ended.has(userId) && seq > (this.#settled.get(`${userId}\n${packageName}`)?.upToSeq ?? 0);
    this.#events = [...events.filter(isOpen), ...this.#events];
    this.#bytes = this.#events.reduce((sum, { event }) => sum + sizeOf(event), 0);
    for (const { userId, body } of batch.sessions) {
      if (!this.#sessions.has(userId) || this.#changed.has(userId)) continue;
      this.#changed.set(userId, { read: () => body, atMs: this.#parts.clock.now(), atOnce: false });
    }
    this.#shed();
  }

  /** Keeps to the bound by giving up what is oldest. */
  #shed(): void {
    const { limits, metrics } = this.#parts;
    let shed = 0;
    while (this.#bytes > limits.journalBytes && this.#events.length > 0) {
      const [oldest] = this.#events.splice(0, 1);
      if (oldest === undefined) break;
      this.#bytes -= sizeOf(oldest.event);
      this.#release(oldest);
      shed++;
    }
    if (shed > 0) metrics.eventsUnkept.inc(shed);
  }

  #drop(of: (event: KeptEvent) => boolean): void {
    const kept = this.#events.filter((waiting) => {
      if (!of(waiting.event)) return true;
      this.#bytes -= sizeOf(waiting.event);
      this.#release(waiting);
      return false;
    });
    this.#events = kept;
  }

  #learn(event: DurabilityEvent): void {
    const { clock, limits, log, metrics } = this.#parts;
    const former = this.#durability;
    const state = nextDurability(former, event, clock.now(), limits);
    this.#durability = state;
    metrics.durabilityDegraded.set(state.name === "durable" ? 0 : 1);
    if (state.name !== former.name) {
      if (state.name === "durable") log.info("what must not be lost is committed again");
      else
        log.error({ state }, "what must not be lost is delivered without being committed; service goes on");
    }
    if (state.name === "durable") return;
    for (const waiting of [...(this.#underWay ?? []), ...this.#events]) this.#release(waiting);
  }

  /** What goes wrong for one who has waited must not keep the others waiting. */
  #release(waiting: Waiting): void {
    const { done } = waiting;
    waiting.done = undefined;
    if (done !== undefined) this.#containment.run("journal", done);
  }
}

function sizeOf({ body }: KeptEvent): number {
  return body.length + 64;
}
