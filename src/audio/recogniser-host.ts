import type { Clock } from "../kernel/clock.ts";
import type { Config } from "../kernel/config.ts";
import type { Logger } from "../kernel/log.ts";
import type { Metrics } from "../kernel/metrics.ts";
import { SupervisedWorker } from "../kernel/supervised-worker.ts";
import {
  heartbeatWords,
  type OfflineEngine,
  type RecogniserCommand,
  type RecogniserFault,
  type RecogniserReport,
} from "./recogniser-commands.ts";

/** Whether speech can be recognised; `detail` says with what, or why not and how to mend it. */
export interface RecogniserStatus {
  readonly available: boolean;
  readonly detail: string;
}

/** How long the recogniser may take to free its models. */
const stopMs = 3_000;
/** A recogniser stuck in native code may never end; nothing is lost by starting the next one beside it but its model. */
const abandonMs = 5_000;

/** One recogniser worker as the main thread sees it. */
export class RecogniserHost {
  readonly engine: OfflineEngine;
  readonly #options: RecogniserHostOptions;
  readonly #worker: SupervisedWorker;
  readonly #stopped = Promise.withResolvers<void>();
  #heartbeat = newHeartbeat();
  #status: RecogniserStatus;
  #isLoading = true;
  #closing: Promise<void> | undefined;

  constructor(options: RecogniserHostOptions) {
    this.#options = options;
    this.engine = options.engine;
    this.#status = { available: false, detail: `${this.engine}, en-US: loading its model` };
    const { clock, log, metrics, config } = options;
    this.#worker = new SupervisedWorker({
      kind: "recogniser",
      url: new URL("../../workers/recogniser-worker.ts", import.meta.url),
      clock,
      log,
      metrics,
      pulse: {
        read: () => ({
          beat: Atomics.load(this.#heartbeat, heartbeatWords.beat),
          busy: Atomics.load(this.#heartbeat, heartbeatWords.busy) === 1,
        }),
        silenceMs: config.limits.workerSilenceMs,
      },
      abandonMs,
      onStart: (worker) => this.#onStart(worker),
      onMessage: (message) => this.#onMessage(message as RecogniserReport),
      onDeath: (cause) => {
        if (cause === "silent") log.warn("a hanging recogniser was ended: the memory of its model is lost");
        this.#setStatus({ available: false, detail: "the recogniser has died and is being restarted" });
      },
    });
  }

  get status(): RecogniserStatus {
    return this.#status;
  }

  /** Whether it has not said yet if it can be used. */
  get isLoading(): boolean {
    return this.#isLoading;
  }

  get restarts(): number {
    return this.#worker.restarts;
  }

  get heartbeatAgeMs(): number {
    return this.#worker.heartbeatAgeMs;
  }

  /** Makes a way for one audio worker to the recogniser. Undefined while there is none. */
  connect(): MessagePort | undefined {
    const { port1, port2 } = new MessageChannel();
    const command: RecogniserCommand = { kind: "connect", port: port2 };
    if (this.#worker.post(command, [port2])) return port1;
    port1.close();
    port2.close();
    return undefined;
  }

  /** For tests and benches only: the thread misbehaves. */
  injectFault(fault: RecogniserFault): void {
    this.#worker.post({ kind: "fault", ...fault } satisfies RecogniserCommand);
  }

  /** For tests only. */
  injectDeath(): void {
    this.#worker.replace();
  }

  /** Has the models freed, then ends the thread. Safe to call twice. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    if (this.#worker.post({ kind: "stop" } satisfies RecogniserCommand)) {
      const stop = this.#options.clock.after(stopMs, () => this.#stopped.resolve());
      await this.#stopped.promise;
      stop();
    }
    this.#worker.close();
  }

  #onStart(worker: Worker): void {
    const { config } = this.#options;
    // New words for a new thread: an abandoned one may still count in the old.
    this.#heartbeat = newHeartbeat();
    const start: RecogniserCommand = {
      kind: "start",
      heartbeat: this.#heartbeat.buffer,
      engine: this.engine,
      modelDir: this.engine === "sherpa" ? (config.sherpaModel ?? "") : config.recogniserModel,
      decoders: config.decoders,
      utteranceQueue: config.limits.utteranceQueue,
      interimMs: config.limits.interimMs,
      utteranceMs: config.limits.utteranceMs,
    };
    worker.postMessage(start);
    // The supervisor has no `post` yet while it is being made.
    queueMicrotask(() => this.#options.onStarted(this));
  }

  #onMessage(report: RecogniserReport): void {
    switch (report.kind) {
      case "ready":
        this.#setStatus({ available: true, detail: report.detail });
        return;
      case "unavailable":
        this.#setStatus({ available: false, detail: report.detail });
        return;
      case "log":
        this.#options.log[report.level]({ worker: "recogniser" }, report.message);
        return;
      case "stopped":
        this.#stopped.resolve();
    }
  }

  #setStatus(status: RecogniserStatus): void {
    this.#status = status;
    this.#isLoading = false;
    this.#options.onChange();
  }
}

export interface RecogniserHostOptions {
  readonly engine: OfflineEngine;
  readonly config: Config;
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: Metrics;
  /** A recogniser thread runs, the first or a new one: the audio workers need a way to it. */
  onStarted(host: RecogniserHost): void;
  onChange(): void;
}

function newHeartbeat(): Int32Array<SharedArrayBuffer> {
  return new Int32Array(new SharedArrayBuffer(64));
}
