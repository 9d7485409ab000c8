import type { AppSeat } from "./app-seat.ts";
import type { ChaosServer } from "./chaos-server.ts";
import type { ChaosUser } from "./chaos-user.ts";
import type { FaultLane } from "./fault-lane.ts";
import type { Fault, LaneName, PlannedFault } from "./fault-plan.ts";
import type { SdkLikeApp } from "./sdk-like-app.ts";

export interface FaultDirectorParts {
  readonly plan: readonly PlannedFault[];
  /** Whether the server loses its memory with its process. */
  readonly forgets: boolean;
  readonly server: ChaosServer;
  readonly users: readonly ChaosUser[];
  readonly apps: readonly SdkLikeApp[];
  /** The lane of the apps on the real SDK. */
  readonly sharedLane: FaultLane | undefined;
  /** The run's random choice of what an app listens to next. */
  readonly nextStreams: (seat: AppSeat) => readonly string[];
  /** The server is gone, until it is said to be back. */
  readonly onServerDown: (how: "kill" | "drain", sinceStoreDiedMs: number) => void;
  readonly onServerUp: (startedInMs: number) => void;
  /** The server, or a thread of it, does nothing for a while. */
  readonly onServerTroubled: () => void;
}

/** Makes happen what was planned. */
export class FaultDirector {
  /** How often each kind has happened. */
  readonly done: Record<string, number> = {};
  readonly #parts: FaultDirectorParts;
  readonly #ends = new Set<() => void>();
  readonly #timers = new Set<ReturnType<typeof setTimeout>>();
  #restart: Promise<void> = Promise.resolve();
  #isRestarting = false;
  #storeDiedMs = Number.NEGATIVE_INFINITY;
  /** Until when a lane is in trouble, in the clock of `performance`. */
  readonly #troubles = new Map<FaultLane, number>();

  constructor(parts: FaultDirectorParts) {
    this.#parts = parts;
  }

  start(): void {
    for (const { atMs, fault } of this.#parts.plan) this.#after(atMs, () => this.#begin(fault));
  }

  /** Ends everything that lasts, and lets nothing more begin. Resolves when the server is up. */
  async calm(): Promise<void> {
    for (const timer of this.#timers) clearTimeout(timer);
    this.#timers.clear();
    for (const end of [...this.#ends]) end();
    await this.#restart;
  }

  /** Whether something is wrong with a lane, or was within the last `marginMs`. */
  isTroubled(lane: FaultLane, marginMs: number): boolean {
    return performance.now() < (this.#troubles.get(lane) ?? Number.NEGATIVE_INFINITY) + marginMs;
  }

  /** Something that was not planned has happened to a lane. */
  troubled(lane: FaultLane): void {
    this.#troubles.set(lane, performance.now());
  }

  #begin(fault: Fault): void {
    this.done[fault.kind] = (this.done[fault.kind] ?? 0) + 1;
    switch (fault.kind) {
      case "cut":
      case "halfOpen":
      case "stall":
      case "slow":
      case "vanish":
      case "lateClose":
        this.#trouble(fault);
        break;
      case "outage":
        this.#failApp(fault);
        break;
      case "stopApp":
        this.#stopApp(fault);
        break;
      case "relist": {
        const seat = this.#parts.users[fault.user]?.seats[fault.seat];
        if (seat === undefined) return;
        seat.listenTo(this.#parts.nextStreams(seat));
        seat.journal.note(`${seat.packageName} listens to ${seat.streams.join(", ")}`);
        this.#parts.apps.find(({ packageName }) => packageName === seat.packageName)?.relist(seat);
        break;
      }
      case "killWorker":
        this.#note(`the server's ${fault.worker} thread dies`);
        this.#parts.onServerTroubled();
        if (fault.worker === "store") this.#storeDiedMs = performance.now();
        this.#parts.server.killWorker(fault.worker);
        break;
      case "cutSdk":
        this.#cutSdk();
        break;
      case "freeze":
        if (!this.#parts.server.isUp) return;
        this.#note(`the server's process stands still for ${fault.lastsMs} ms`);
        this.#parts.onServerTroubled();
        this.#parts.server.freeze(fault.lastsMs);
        break;
      case "kill":
      case "drain":
        this.#endServer(fault.kind);
        break;
    }
  }

  #trouble(fault: Fault & LaneName): void {
    const user = this.#parts.users[fault.user];
    const seat = fault.seat === "glasses" ? undefined : user?.seats[fault.seat];
    const lane = fault.seat === "glasses" ? user?.lane : seat?.lane;
    // One thing at a time: two that lasted would undo each other.
    if (user === undefined || lane === undefined || this.isTroubled(lane, 0)) return;
    const lastsMs = "lastsMs" in fault ? fault.lastsMs : 0;
    this.#troubles.set(lane, performance.now() + lastsMs);
    const whose = seat?.packageName ?? "glasses";
    user.journal.note(
      `${whose}: ${fault.kind} ${"how" in fault ? fault.how : `for ${Math.round(lastsMs)} ms`}`,
    );
    const away = () => {
      if (seat === undefined) user.troubled();
      else seat.ledger.appAway(performance.now());
    };
    const end = (what: () => void) =>
      this.#later(lastsMs, what, () => user.journal.note(`${whose}: end of ${fault.kind}`));
    switch (fault.kind) {
      case "cut":
        away();
        lane.cut(fault.how);
        break;
      case "halfOpen":
        away();
        lane.swallow();
        end(() => lane.cutSwallowed());
        break;
      case "stall":
        away();
        lane.hold(true);
        end(() => {
          lane.hold(false);
          if (seat === undefined) user.untroubled();
          else if (seat.ackedMs !== undefined) seat.ledger.appBack(performance.now(), 0, true);
        });
        break;
      case "slow":
        lane.pace(fault.bytesPerSecond);
        end(() => lane.pace(undefined));
        break;
      case "vanish":
        away();
        lane.refuse(true);
        lane.cut("reset");
        end(() => lane.refuse(false));
        break;
      case "lateClose":
        lane.delayCloses(lastsMs);
        if (seat === undefined) user.dropSocket();
        else this.#parts.apps.find(({ packageName }) => packageName === seat.packageName)?.dropSocket(seat);
        end(() => lane.delayCloses(0));
        break;
    }
  }

  #cutSdk(): void {
    for (const seat of this.#parts.users.flatMap(({ seats }) => seats)) {
      if (seat.lane !== undefined) continue;
      seat.journal.note(`${seat.packageName}: cut`);
      seat.ledger.appAway(performance.now());
    }
    this.#parts.sharedLane?.cut("reset");
  }

  #failApp({ app: index, manner, lastsMs }: Fault & { kind: "outage" }): void {
    const app = this.#parts.apps[index];
    if (app?.isUp !== true) return;
    for (const user of this.#parts.users) {
      if (user.seats.some(({ packageName }) => packageName === app.packageName)) {
        user.journal.note(`${app.packageName}: its server is ${manner} for ${Math.round(lastsMs)} ms`);
      }
    }
    app.fail(manner);
    this.#later(lastsMs, () => app.recover());
  }

  #stopApp({ user: index, seat: seatIndex, lastsMs }: Fault & { kind: "stopApp" }): void {
    const user = this.#parts.users[index];
    const seat = user?.seats[seatIndex];
    if (user?.connected !== true || seat?.wanted !== true) return;
    user.stopApp(seat);
    const start = () => {
      // What the glasses say while they are not connected is not said.
      if (user.connected) user.startApp(seat);
      else this.#after(200, start);
    };
    this.#later(lastsMs, start);
  }

  #endServer(how: "kill" | "drain"): void {
    if (this.#isRestarting) return;
    this.#isRestarting = true;
    const { server, onServerDown, onServerUp } = this.#parts;
    this.#note(how === "kill" ? "the server is killed" : "the server is told to end");
    onServerDown(how, performance.now() - this.#storeDiedMs);
    this.#restart = (how === "kill" ? server.kill() : server.drain())
      .then(() => {
        if (this.#parts.forgets) server.forget();
        return server.start();
      })
      .then((startedInMs) => {
        this.#note("the server listens again");
        this.#isRestarting = false;
        onServerUp(startedInMs);
      });
  }

  #note(what: string): void {
    for (const { journal } of this.#parts.users) journal.note(what);
  }

  #after(delayMs: number, run: () => void): void {
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      run();
    }, delayMs);
    this.#timers.add(timer);
  }

  /** Runs something later, or when calm is ordered. */
  #later(delayMs: number, run: () => void, note?: () => void): void {
    const end = () => {
      clearTimeout(timer);
      this.#ends.delete(end);
      note?.();
      run();
    };
    const timer = setTimeout(end, delayMs);
    this.#ends.add(end);
  }
}
