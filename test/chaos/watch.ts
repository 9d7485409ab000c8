import type { Limits } from "../../src/kernel/limits.ts";
import { type AppSeat, heardStreams } from "./app-seat.ts";
import type { AdminSession, ChaosServer } from "./chaos-server.ts";
import type { ChaosUser } from "./chaos-user.ts";
import type { FaultDirector } from "./fault-director.ts";
import type { Judge } from "./judge.ts";

/** What is watched of a user. */
export type WatchedUser = Pick<
  ChaosUser,
  | "userId"
  | "journal"
  | "seats"
  | "lane"
  | "toldOf"
  | "connectedMs"
  | "lostMs"
  | "lastAwayMs"
  | "dials"
  | "microphoneOn"
  | "microphoneMs"
  | "speaks"
>;

export interface WatchParts {
  readonly server: Pick<ChaosServer, "isUp">;
  readonly users: readonly WatchedUser[];
  readonly judge: Judge;
  readonly director: Pick<FaultDirector, "isTroubled">;
  /** The server's own, with its speed taken into account. */
  readonly limits: Limits;
  readonly appIsUp: (packageName: string) => boolean;
  /** In milliseconds, of the clock of all that is watched. */
  readonly now: () => number;
}

/** What a busy machine may take for anything, in milliseconds. */
const slackMs = 4_000;

/** Codes with which the server may close an app's socket though nothing is wrong with it. */
const meantCloses: ReadonlySet<number> = new Set([1000, 1005, 1008, 1012, 4000, 4001]);

/** Sees to it, all the time, that what must never be is not. */
export class Watch {
  readonly #parts: WatchParts;
  /** What goes on, by a name that changes with every new beginning of it, and since when it has. */
  readonly #since = new Map<string, number>();
  readonly #sound = new WeakMap<AppSeat, { bytes: number; atMs: number }>();
  #troubledMs: number;
  #wasUp = true;
  /** Processes of the server so far: a start of an app that was under way begins anew in the next. */
  #starts = 0;

  constructor(parts: WatchParts) {
    this.#parts = parts;
    this.#troubledMs = parts.now();
  }

  /** The server was not quite itself just now. */
  serverTroubled(): void {
    this.#troubledMs = this.#parts.now();
  }

  /** To be called twice a second. */
  tick(): void {
    const { isUp } = this.#parts.server;
    if (!isUp) this.serverTroubled();
    if (isUp && !this.#wasUp) this.#starts++;
    this.#wasUp = isUp;
    for (const user of this.#parts.users) {
      this.#checkGhost(user);
      this.#checkDeafness(user);
    }
  }

  /** An order about the microphone has come. */
  microphone(user: WatchedUser, on: boolean): void {
    if (on) return;
    const now = this.#parts.now();
    for (const seat of user.seats) {
      const told = user.toldOf(seat);
      const wasHeard = told?.streams.some((stream) => heardStreams.test(stream)) === true;
      if (!seat.hears || !wasHeard || told === undefined || now - told.sinceMs < 1_000) continue;
      if (now - seat.changedMs < slackMs) continue;
      if (seat.ackedMs === undefined && seat.ledger.awayMs(now) >= this.#parts.limits.appGraceMs) continue;
      this.#report(
        user,
        `the microphone was turned off, though ${seat.packageName} listens or is within its grace`,
      );
    }
  }

  /** The server has forgotten an app, or what it listens to. */
  forgotten(user: WatchedUser, seat: AppSeat, sinceMs: number): void {
    const { sessionGraceMs, appGraceMs } = this.#parts.limits;
    const now = this.#parts.now();
    if (!seat.wanted || now - seat.changedMs < slackMs) return;
    // What was said only just before the loss may not have been kept.
    if (user.lostMs - sinceMs < 1_000) return;
    if (user.lastAwayMs >= sessionGraceMs || seat.ledger.awayMs(now) >= appGraceMs) return;
    this.#report(user, `${seat.packageName} and what it listens to were forgotten within their graces`);
  }

  /** An app's socket was closed from outside. */
  appClosed(user: WatchedUser, seat: AppSeat, code: number): void {
    if (meantCloses.has(code) || !this.#serverCalm || !this.#appReachable(seat)) return;
    this.#report(user, `the healthy socket of ${seat.packageName} was closed with ${code}`);
  }

  /** To be called with what the admin API says of all sessions. */
  sessions(sessions: readonly AdminSession[]): void {
    const { limits, users } = this.#parts;
    const now = this.#parts.now();
    const seen = new Set<string>();
    const lasting = (name: string, mostMs: number): boolean => {
      seen.add(name);
      const since = this.#since.get(name) ?? now;
      this.#since.set(name, since);
      return now - since > mostMs + slackMs;
    };
    const sessionMs: Record<string, number | undefined> = {
      CONNECTING: limits.sessionGraceMs,
      DISCONNECTED: limits.sessionGraceMs,
      DISPOSING: limits.finalWordsMs,
    };
    const appMs: Record<string, number | undefined> = {
      CONNECTING: limits.appStartMs,
      GRACE_PERIOD: limits.appGraceMs,
      RESURRECTING: limits.resurrectionMs,
      STOPPING: 1_000,
    };
    for (const session of sessions) {
      const user = users.find(({ userId }) => userId === session.userId);
      if (user === undefined) {
        this.#parts.judge.report(`there is a session of ${session.userId}, who is nobody`);
        continue;
      }
      const mostMs = sessionMs[session.state];
      const name = `${session.userId} ${session.state} ${user.dials}`;
      if (mostMs !== undefined && lasting(name, mostMs)) {
        this.#report(user, `the session is ${session.state} for longer than its timer`);
      }
      for (const [packageName, state] of Object.entries(session.apps)) {
        const most = appMs[state];
        const seat = user.seats.find((candidate) => candidate.packageName === packageName);
        const life = `${session.userId} ${packageName} ${state} ${seat?.acks} ${seat?.starts} ${state === "CONNECTING" ? this.#starts : ""}`;
        if (most !== undefined && lasting(life, most)) {
          this.#report(user, `${packageName} is ${state} for longer than its timer`);
        }
      }
      const isGhost = session.connected && !session.snapshot.requiresAudio && user.microphoneOn;
      const heard = `${session.userId} ghost ${user.connectedMs} ${user.microphoneMs}`;
      if (isGhost && this.#reaches(user) && lasting(heard, limits.microphoneHoldMs)) {
        this.#report(user, "the microphone is on, though the server itself says that nobody listens");
      }
    }
    for (const name of this.#since.keys()) if (!seen.has(name)) this.#since.delete(name);
  }

  get #serverCalm(): boolean {
    return this.#parts.now() - this.#troubledMs > 2 * slackMs;
  }

  /** Whether what the server sends to the glasses has had time to arrive. */
  #reaches(user: WatchedUser): boolean {
    const { connectedMs, lane } = user;
    if (connectedMs === undefined || this.#parts.now() - connectedMs < slackMs) return false;
    return this.#serverCalm && (lane === undefined || !this.#parts.director.isTroubled(lane, slackMs));
  }

  #appReachable(seat: AppSeat): boolean {
    if (!this.#parts.appIsUp(seat.packageName)) return false;
    return seat.lane === undefined || !this.#parts.director.isTroubled(seat.lane, slackMs);
  }

  /** Whether the server has had time to hear what an app listens to. */
  #knowsOf(seat: AppSeat): boolean {
    const now = this.#parts.now();
    const { emptySubscriptionMs } = this.#parts.limits;
    if (now - seat.changedMs < emptySubscriptionMs + slackMs) return false;
    if (!seat.wanted) return true;
    return (
      seat.ackedMs !== undefined &&
      now - seat.ackedMs > emptySubscriptionMs + slackMs &&
      this.#appReachable(seat)
    );
  }

  /** Nobody listens, and the microphone is on. */
  #checkGhost(user: WatchedUser): void {
    const now = this.#parts.now();
    const { microphoneHoldMs } = this.#parts.limits;
    if (!user.microphoneOn || !this.#reaches(user) || now - user.microphoneMs < microphoneHoldMs + slackMs)
      return;
    if (user.seats.some((seat) => seat.hears || !this.#knowsOf(seat))) return;
    this.#report(user, "the microphone is on, though nobody listens");
  }

  /** Somebody listens, and the microphone is off or its sound does not arrive. */
  #checkDeafness(user: WatchedUser): void {
    const now = this.#parts.now();
    for (const seat of user.seats) {
      if (!seat.hears || !this.#reaches(user) || !this.#knowsOf(seat)) {
        this.#sound.delete(seat);
        continue;
      }
      if (!user.microphoneOn) {
        if (now - user.microphoneMs > slackMs) {
          this.#report(user, `the microphone is off, though ${seat.packageName} listens`);
        }
        continue;
      }
      if (!seat.hearsSound || !user.speaks) continue;
      const sound = this.#sound.get(seat);
      if (sound === undefined || sound.bytes !== seat.audioBytes) {
        this.#sound.set(seat, { bytes: seat.audioBytes, atMs: now });
      } else if (now - sound.atMs > 2 * slackMs) {
        this.#report(user, `no sound reaches ${seat.packageName}, though the microphone is on`);
      }
    }
  }

  #report(user: WatchedUser, what: string): void {
    this.#parts.judge.report(what, user.userId, user.journal);
  }
}
