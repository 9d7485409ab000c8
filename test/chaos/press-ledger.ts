/** What is promised, in milliseconds. */
export interface LedgerRules {
  /** What came so long before an app was lost may come once more. */
  readonly duplicateMs: number;
  /** A connection that held for this long has had its events acknowledged. */
  readonly settledMs: number;
  /** An app that is away for longer may lose events. */
  readonly appGraceMs: number;
  /** Glasses that are away for longer lose their session, and the apps what they have not had of it. */
  readonly sessionGraceMs: number;
}

interface Press {
  readonly sentMs: number;
  /** Whether the app is to have it: the server had told the glasses that the app listens. */
  readonly owed: boolean;
  confirmedMs?: number;
  arrivedMs?: number;
  /** A later one has arrived in its stead. */
  skipped: boolean;
}

/** Why a press did not have to arrive. */
export type Pardon =
  | "lost, and told"
  | "app away too long"
  | "glasses away too long"
  | "stopped"
  | "uncommitted";

export interface LedgerCounts {
  owed: number;
  confirmed: number;
  arrived: number;
  duplicates: number;
  /** How long before a loss what came again after it had come, at most, in milliseconds; 0 where pongs are swallowed. */
  oldestDuplicateMs: number;
  readonly pardoned: Record<Pardon, number>;
}

const mostPresses = 1_500;

/**
 * The account of one app of one user: which button presses, numbered upwards, it was to have, and which it has had. Says
 * what breaks the promise as soon as it shows. All times are of one clock, in milliseconds.
 */
export class PressLedger {
  readonly counts: LedgerCounts = {
    owed: 0,
    confirmed: 0,
    arrived: 0,
    duplicates: 0,
    oldestDuplicateMs: 0,
    pardoned: {
      "lost, and told": 0,
      "app away too long": 0,
      "glasses away too long": 0,
      stopped: 0,
      uncommitted: 0,
    },
  };
  /** A press is missing for a good reason. */
  onPardon: (press: number, pardon: Pardon) => void = () => {};
  readonly #rules: LedgerRules;
  readonly #onProblem: (problem: string) => void;
  readonly #presses = new Map<number, Press>();
  readonly #deaths: { readonly atMs: number; readonly uncommittedMs: number }[] = [];
  #highest = 0;
  /** Highest on the present connection. */
  #highestHere = 0;
  #toldLost = 0;
  #lost = 0;
  #stoppedMs = Number.NEGATIVE_INFINITY;
  readonly #app: Absence;
  readonly #user: Absence;
  #backMs = Number.NEGATIVE_INFINITY;
  #duplicatesSinceMs = Number.POSITIVE_INFINITY;
  /** Whether nothing that the app acknowledges reaches the server, so that anything may come twice. */
  readonly #unacknowledged: boolean;

  constructor(rules: LedgerRules, onProblem: (problem: string) => void, unacknowledged = false) {
    this.#rules = rules;
    this.#onProblem = onProblem;
    this.#unacknowledged = unacknowledged;
    this.#app = new Absence(rules.appGraceMs);
    this.#user = new Absence(rules.sessionGraceMs);
  }

  /** The glasses have sent a press. */
  sent(press: number, atMs: number, owed: boolean): void {
    if (owed) this.counts.owed++;
    this.#presses.set(press, { sentMs: atMs, owed, skipped: false });
    const oldest = this.#presses.keys().next().value;
    if (this.#presses.size > mostPresses && oldest !== undefined) this.#presses.delete(oldest);
  }

  /** The server has answered something that was sent after the press, so it has had it. */
  confirmed(press: number, atMs: number): void {
    const entry = this.#presses.get(press);
    if (entry === undefined || entry.confirmedMs !== undefined) return;
    entry.confirmedMs = atMs;
    if (!entry.owed) return;
    this.counts.confirmed++;
    if (entry.skipped) this.#judge(press, entry, atMs);
  }

  /** The app's handler was called with a press. */
  arrived(press: number, atMs: number): void {
    const entry = this.#presses.get(press);
    if (entry === undefined) {
      this.#onProblem(`press ${press} came, which was never made or is long gone`);
      return;
    }
    if (press <= this.#highestHere) {
      this.#onProblem(`press ${press} came after ${this.#highestHere} on one connection`);
    }
    this.#highestHere = Math.max(this.#highestHere, press);
    if (entry.arrivedMs !== undefined) {
      this.#judgeDuplicate(press, entry.arrivedMs);
      return;
    }
    entry.arrivedMs = atMs;
    this.counts.arrived++;
    if (press < this.#highest) {
      this.#onProblem(`press ${press} came for the first time after ${this.#highest}`);
      return;
    }
    for (let missing = this.#highest + 1; missing < press; missing++) this.#skip(missing, atMs);
    this.#highest = press;
  }

  /** The app's connection is lost, or carries nothing any more. */
  appAway(atMs: number): void {
    if (!this.#app.begin(atMs)) return;
    const isSettled = atMs - this.#backMs >= this.#rules.settledMs;
    this.#duplicatesSinceMs = isSettled ? atMs : Math.min(this.#duplicatesSinceMs, atMs);
  }

  /** The app is connected and heard again. @param lost what the server says it could not keep for it. */
  appBack(atMs: number, lost = 0, sameConnection = false): void {
    this.#toldLost += lost;
    this.#app.end(atMs);
    this.#backMs = atMs;
    if (!sameConnection) this.#highestHere = 0;
  }

  userAway(atMs: number): void {
    this.#user.begin(atMs);
  }

  userBack(atMs: number): void {
    this.#user.end(atMs);
  }

  /** The user has stopped the app. */
  stopped(atMs: number): void {
    this.#stoppedMs = atMs;
  }

  /** The server's process was killed. @param uncommittedMs what was confirmed after that may not have been on the disk. */
  serverDied(atMs: number, uncommittedMs: number): void {
    this.#deaths.push({ atMs, uncommittedMs });
  }

  /** Whether the latest press, if it is owed, has arrived. */
  get isComplete(): boolean {
    const [press = 0] = [...this.#presses.keys()].slice(-1);
    return this.#highest >= press || this.#presses.get(press)?.owed !== true;
  }

  /** How many confirmed presses have been found lost since this was asked last. */
  takeLost(): number {
    const lost = this.#lost;
    this.#lost = 0;
    return lost;
  }

  /** How long the app has been away, in milliseconds; 0 when it is there. */
  awayMs(atMs: number): number {
    return this.#app.lengthMs(atMs);
  }

  /** The run is over, and everything had time to arrive: what is still missing is lost. */
  close(atMs: number): void {
    for (const [press, entry] of this.#presses) {
      if (press > this.#highest && entry.arrivedMs === undefined) this.#skip(press, atMs);
    }
  }

  #skip(press: number, atMs: number): void {
    const entry = this.#presses.get(press);
    if (entry === undefined || entry.skipped) return;
    entry.skipped = true;
    if (entry.owed && entry.confirmedMs !== undefined) this.#judge(press, entry, atMs);
  }

  #judge(press: number, entry: Press, atMs: number): void {
    const pardon = this.#pardon(entry, atMs);
    if (pardon !== undefined) {
      this.counts.pardoned[pardon]++;
      this.onPardon(press, pardon);
      return;
    }
    this.#lost++;
    this.#onProblem(`press ${press}, which the server has had, is lost`);
  }

  #pardon({ sentMs, confirmedMs = sentMs }: Press, atMs: number): Pardon | undefined {
    if (this.#stoppedMs >= sentMs) return "stopped";
    if (this.#deaths.some((death) => death.atMs >= sentMs && confirmedMs > death.uncommittedMs)) {
      return "uncommitted";
    }
    if (this.#toldLost > 0) {
      this.#toldLost--;
      return "lost, and told";
    }
    if (this.#user.tooLongSince(sentMs, atMs)) return "glasses away too long";
    return this.#app.tooLongSince(sentMs, atMs) ? "app away too long" : undefined;
  }

  #judgeDuplicate(press: number, firstMs: number): void {
    this.counts.duplicates++;
    if (this.#unacknowledged) return;
    const earlyMs = Math.round(this.#duplicatesSinceMs - firstMs);
    this.counts.oldestDuplicateMs = Math.max(this.counts.oldestDuplicateMs, earlyMs);
    if (earlyMs <= this.#rules.duplicateMs) return;
    this.#onProblem(`press ${press} came again, though it had come ${earlyMs} ms before the app was lost`);
  }
}

/** The absences of one client, of which only the long ones are remembered. */
class Absence {
  readonly #graceMs: number;
  #sinceMs: number | undefined;
  #longEndMs = Number.NEGATIVE_INFINITY;

  constructor(graceMs: number) {
    this.#graceMs = graceMs;
  }

  /** Whether it had not begun before. */
  begin(atMs: number): boolean {
    if (this.#sinceMs !== undefined) return false;
    this.#sinceMs = atMs;
    return true;
  }

  end(atMs: number): void {
    if (this.lengthMs(atMs) > this.#graceMs) this.#longEndMs = atMs;
    this.#sinceMs = undefined;
  }

  lengthMs(atMs: number): number {
    return this.#sinceMs === undefined ? 0 : atMs - this.#sinceMs;
  }

  /** Whether the client was away for longer than its grace at a time since `sinceMs`. */
  tooLongSince(sinceMs: number, nowMs: number): boolean {
    return this.#longEndMs >= sinceMs || this.lengthMs(nowMs) > this.#graceMs;
  }
}
