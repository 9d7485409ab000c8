import type { Clock } from "./clock.ts";
import type { Logger } from "./log.ts";
import type { Metrics } from "./metrics.ts";
import type { Stop } from "./stop.ts";

export type DeathCause = "silent" | "error" | "exit";

export interface SupervisedWorkerOptions {
  /** What the worker is, for the log and the metrics. */
  readonly kind: "audio" | "recogniser" | "liveness" | "store";
  readonly url: URL;
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: Metrics;
  /**
   * How long to wait for the end of a worker that was told to end, before starting the next beside it. Undefined: for
   * ever, since two workers on one ring would be worse than none.
   */
  readonly abandonMs?: number;
  /** How to see that the worker hangs. Undefined: only its end is noticed. */
  readonly pulse?: {
    /** The worker's sign of life, which counts up, and whether none is to be expected for now. */
    read(): { readonly beat: number; readonly busy: boolean };
    /** A worker whose beat has stood still for this long is replaced. */
    readonly silenceMs: number;
  };
  /** A new worker runs; whatever it must know is to be sent now. */
  onStart(worker: Worker): void;
  onMessage(message: unknown): void;
  /** The worker has ended without having been asked to. The next one starts afterwards. */
  onDeath(cause: DeathCause): void;
}

type State =
  | {
      readonly kind: "running";
      readonly worker: Worker;
      readonly sinceMs: number;
      beat: number;
      beatMs: number;
      /** Longest silence allowed. */
      limitMs: number;
    }
  /** Told to end; its `close` event is awaited. */
  | { readonly kind: "ending"; readonly worker: Worker; readonly sinceMs: number; readonly untilMs: number }
  /** Between two workers. */
  | { readonly kind: "waiting"; readonly stop: Stop }
  | { readonly kind: "closed" };

const checkMs = 250;
/** Loading its modules may take a worker long on a busy machine, and it shows no sign of life before. */
const startMs = 10_000;
/** A worker that lived for less than this counts as one that cannot live, and the next one has to wait. */
const shortLifeMs = 10_000;
const firstDelayMs = 100;
const longestDelayMs = 10_000;

/** Milliseconds to wait before the next start, after so many short lives in a row: 0, 100, 400, 1600... */
export function restartDelayMs(shortLives: number): number {
  return shortLives <= 1 ? 0 : Math.min(longestDelayMs, firstDelayMs * 4 ** (shortLives - 2));
}

/** Keeps one worker thread alive: starts it, watches its pulse, and replaces it when it dies or hangs. */
export class SupervisedWorker {
  readonly #options: SupervisedWorkerOptions;
  readonly #stopChecks: Stop | undefined;
  #state: State;
  #shortLives = 0;
  #restarts = 0;
  #checkedMs: number;
  #detail = "";

  constructor(options: SupervisedWorkerOptions) {
    this.#options = options;
    this.#checkedMs = options.clock.now();
    this.#state = { kind: "closed" };
    this.#start();
    const { pulse } = options;
    this.#stopChecks = pulse && options.clock.every(checkMs, () => this.#check(pulse));
  }

  get restarts(): number {
    return this.#restarts;
  }

  /** Milliseconds since the last sign of life was seen; Infinity when there is no worker. */
  get heartbeatAgeMs(): number {
    return this.#state.kind === "running" ? this.#options.clock.now() - this.#state.beatMs : Infinity;
  }

  /** Sends a message to the worker that runs. False: none does; `onStart` will be called for the next. */
  post(message: unknown, transfer: MessagePort[] = []): boolean {
    if (this.#state.kind !== "running") return false;
    this.#state.worker.postMessage(message, transfer);
    return true;
  }

  /** Ends the worker that runs, as if it had died, so that the next one takes its place. */
  replace(): void {
    if (this.#state.kind === "running") this.#state.worker.terminate();
  }

  /** Ends the worker for good. Safe to call twice. */
  close(): void {
    const state = this.#state;
    this.#state = { kind: "closed" };
    this.#stopChecks?.();
    if (state.kind === "waiting") state.stop();
    if (state.kind === "running" || state.kind === "ending") {
      state.worker.terminate();
      state.worker.unref();
    }
  }

  #start(): void {
    const worker = new Worker(this.#options.url);
    const beat = this.#options.pulse?.read().beat ?? 0;
    const nowMs = this.#options.clock.now();
    this.#state = { kind: "running", worker, sinceMs: nowMs, beat, beatMs: nowMs, limitMs: startMs };
    worker.addEventListener("message", (event) => {
      if (this.#runs(worker)) this.#options.onMessage(event.data);
    });
    // Without a listener, an error in the worker would be one of the main thread.
    worker.addEventListener("error", (event) => {
      event.preventDefault();
      this.#detail = event.message;
    });
    worker.addEventListener("close", () => this.#onClose(worker));
    this.#options.onStart(worker);
  }

  #runs(worker: Worker): boolean {
    return this.#state.kind === "running" && this.#state.worker === worker;
  }

  #check({ read, silenceMs }: NonNullable<SupervisedWorkerOptions["pulse"]>): void {
    const { clock, log, kind } = this.#options;
    const nowMs = clock.now();
    const sinceCheckMs = nowMs - this.#checkedMs;
    this.#checkedMs = nowMs;
    const state = this.#state;
    if (state.kind === "ending" && nowMs >= state.untilMs) this.#onClose(state.worker);
    if (state.kind !== "running") return;
    const { beat, busy } = read();
    // After a gap in our own checks, such as a suspended machine, silence says nothing about the worker.
    if (beat !== state.beat || busy || sinceCheckMs > silenceMs / 2) {
      if (beat !== state.beat) state.limitMs = silenceMs;
      state.beat = beat;
      state.beatMs = nowMs;
      return;
    }
    if (nowMs - state.beatMs < state.limitMs) return;
    log.error({ worker: kind, silentMs: Math.round(nowMs - state.beatMs) }, "a worker hangs and is replaced");
    const abandonMs = this.#options.abandonMs ?? Infinity;
    this.#state = {
      kind: "ending",
      worker: state.worker,
      sinceMs: state.sinceMs,
      untilMs: nowMs + abandonMs,
    };
    state.worker.terminate();
  }

  #onClose(worker: Worker): void {
    const state = this.#state;
    if ((state.kind !== "running" && state.kind !== "ending") || state.worker !== worker) return;
    const { clock, log, metrics, kind, onDeath } = this.#options;
    const cause = state.kind === "ending" ? "silent" : this.#detail === "" ? "exit" : "error";
    if (cause !== "silent") log.error({ worker: kind, cause, detail: this.#detail }, "a worker has died");
    this.#detail = "";
    metrics.workerRestarts.inc({ kind, cause });
    this.#restarts++;
    this.#shortLives = clock.now() - state.sinceMs < shortLifeMs ? this.#shortLives + 1 : 0;
    const delayMs = restartDelayMs(this.#shortLives);
    this.#state = { kind: "waiting", stop: clock.after(delayMs, () => this.#start()) };
    onDeath(cause);
  }
}
