import type { Clock } from "../../src/kernel/clock.ts";
import type {
  CloudConnection,
  CloudVendor,
  ConnectionFailure,
  ConnectionSink,
  ConnectOptions,
  VendorCapabilities,
} from "../../workers/stt/cloud/vendor.ts";
import { CountingEar, type HeardUtterance } from "./counting-ear.ts";

/** What one connection to the fake service does. Times in milliseconds from its begin. */
export interface FakeBehaviour {
  /** Undefined: it never opens. */
  readonly opensAfterMs?: number;
  readonly failsAfterMs?: number;
  readonly failure?: ConnectionFailure;
  /** From then on nothing comes back any more, although it takes audio. */
  readonly stallsAfterMs?: number;
  readonly latencyMs?: number;
  /** What finals take in addition. */
  readonly finalLatencyMs?: number;
  /** Sends signs of life that mean nothing. */
  readonly babbles?: boolean;
  /** Words that an utterance has at the most. */
  readonly longest?: number;
}

const usual = { opensAfterMs: 50, latencyMs: 150, finalLatencyMs: 0, longest: 25 };

export interface FakeVendorOptions {
  readonly id: CloudVendor["id"];
  readonly clock: Clock;
  readonly capabilities?: Partial<VendorCapabilities>;
  /** How connection number `index` behaves. */
  readonly behave: (index: number) => FakeBehaviour;
}

/** A cloud service without a network, on the test's clock: it hears numbers and misbehaves as it is told. */
export class FakeVendor implements CloudVendor {
  readonly id: CloudVendor["id"];
  readonly capabilities: VendorCapabilities;
  readonly connections: FakeConnection[] = [];
  readonly #options: FakeVendorOptions;

  constructor(options: FakeVendorOptions) {
    this.id = options.id;
    this.#options = options;
    this.capabilities = {
      minChunkMs: 50,
      maxChunkMs: 1_000,
      maxReplaySpeed: 1.25,
      idleMs: 10_000,
      keepAliveMs: 4_000,
      maxSessionMs: undefined,
      ...options.capabilities,
    };
  }

  get live(): number {
    return this.connections.filter((connection) => !connection.hasEnded).length;
  }

  supports(language: string): boolean {
    return language !== "xx-XX";
  }

  connect(options: ConnectOptions, sink: ConnectionSink): FakeConnection {
    const { clock, behave } = this.#options;
    const behaviour = { ...usual, ...behave(this.connections.length) };
    const connection = new FakeConnection(clock, behaviour, this.capabilities, options, sink);
    this.connections.push(connection);
    return connection;
  }
}

export class FakeConnection implements CloudConnection {
  readonly bufferedBytes = 0;
  readonly options: ConnectOptions;
  readonly writes: { readonly startSample: number; readonly length: number; readonly atMs: number }[] = [];
  keepAlives = 0;
  finalizes = 0;
  hasEnded = false;
  isOpen = false;
  openedMs: number | undefined;
  endedMs = Number.POSITIVE_INFINITY;
  readonly #clock: Clock;
  readonly #behaviour: FakeBehaviour & typeof usual;
  readonly #sink: ConnectionSink;
  readonly #ear = new CountingEar();
  readonly #startedMs: number;
  #lastMs: number;
  #shown = "";
  #heard = 0;
  #readyMs = 0;

  constructor(
    clock: Clock,
    behaviour: FakeBehaviour & typeof usual,
    capabilities: VendorCapabilities,
    options: ConnectOptions,
    sink: ConnectionSink,
  ) {
    this.#clock = clock;
    this.#behaviour = behaviour;
    this.#sink = sink;
    this.options = options;
    this.#startedMs = clock.now();
    this.#lastMs = clock.now();
    const { opensAfterMs, failsAfterMs, failure, babbles } = behaviour;
    options.signal.addEventListener("abort", () => this.end(undefined));
    if (failsAfterMs !== undefined) {
      clock.after(failsAfterMs, () => this.end(failure ?? { kind: "transient", detail: "closed with 1006" }));
    }
    const { maxSessionMs, idleMs } = capabilities;
    clock.after(opensAfterMs, () => {
      if (this.hasEnded || !Number.isFinite(opensAfterMs)) return;
      this.isOpen = true;
      this.openedMs = clock.now();
      this.#lastMs = clock.now();
      sink.onOpen();
      if (maxSessionMs !== undefined)
        clock.after(maxSessionMs, () => this.end({ kind: "expired", detail: "too old" }));
      if (idleMs !== undefined) this.#watchIdle(idleMs);
      if (babbles) this.#babble();
    });
  }

  write(pcm: Int16Array, startSample: number): void {
    if (!this.isOpen || this.hasEnded) return;
    this.#lastMs = this.#clock.now();
    this.writes.push({ startSample, length: pcm.length, atMs: this.#lastMs });
    const ended = this.#ear.hear(pcm, startSample, this.#behaviour.longest);
    this.#heard = startSample + pcm.length;
    if (ended !== undefined) this.#final(ended, this.#ear.pending?.startSample ?? ended.endSample);
    const pending = this.#ear.pending;
    if (pending !== undefined && pending.text !== this.#shown) {
      this.#shown = pending.text;
      this.#later(0, () => this.#sink.onEvent({ kind: "interim", ...pending }));
    }
  }

  keepAlive(): void {
    this.keepAlives++;
    this.#lastMs = this.#clock.now();
  }

  finalize(): void {
    if (!this.isOpen || this.hasEnded) return;
    this.finalizes++;
    const ended = this.#ear.end();
    const heard = this.#heard;
    if (ended !== undefined) this.#final(ended, heard);
    else this.#later(0, () => this.#sink.onEvent({ kind: "settled", sample: heard }));
  }

  close(graceMs: number): void {
    this.#clock.after(Math.min(50, graceMs), () => this.end(undefined));
  }

  /** The service ends the connection. */
  end(failure: ConnectionFailure | undefined): void {
    if (this.hasEnded) return;
    this.hasEnded = true;
    this.endedMs = this.#clock.now();
    this.#sink.onEnd(failure);
  }

  #final(ended: HeardUtterance, settled: number): void {
    this.#shown = "";
    this.#later(this.#behaviour.finalLatencyMs, () => {
      this.#sink.onEvent({ kind: "final", ...ended });
      if (!this.hasEnded) this.#sink.onEvent({ kind: "settled", sample: settled });
    });
  }

  /** In order, however late. */
  #later(extraMs: number, tell: () => void): void {
    const now = this.#clock.now();
    this.#readyMs = Math.max(this.#readyMs, now + this.#behaviour.latencyMs + extraMs);
    this.#clock.at(this.#readyMs, () => {
      if (!this.hasEnded && !this.#isMute) tell();
    });
  }

  get #isMute(): boolean {
    const { stallsAfterMs = Number.POSITIVE_INFINITY } = this.#behaviour;
    return this.#clock.now() - this.#startedMs >= stallsAfterMs;
  }

  #babble(): void {
    this.#clock.after(700, () => {
      if (this.hasEnded || this.#isMute) return;
      this.#sink.onEvent({ kind: "heard" });
      this.#babble();
    });
  }

  #watchIdle(idleMs: number): void {
    this.#clock.after(1_000, () => {
      if (this.hasEnded) return;
      if (this.#clock.now() - this.#lastMs >= idleMs) this.end({ kind: "transient", detail: "NET-0001" });
      else this.#watchIdle(idleMs);
    });
  }
}
