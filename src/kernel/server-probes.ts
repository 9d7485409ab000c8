import { Counter, Gauge, type Registry } from "prom-client";
import { registerDurations } from "./duration-metric.ts";
import { LoopProbe, type Stall } from "./loop-probe.ts";
import { type StageName, StageTimes, stageNames } from "./stage-times.ts";
import type { Stop } from "./stop.ts";

/** What one worker thread shows of itself, to be read when somebody asks. */
export interface WorkerProbe {
  readonly name: string;
  /** Processor time of the thread since the start of the process, its predecessors' included. */
  cpuMs(): number;
  /** Bytes that wait in its rings: of all, and of the fullest. */
  ringBacklog(): { readonly total: number; readonly most: number };
  readonly stages: StageTimes;
}

/** Bytes that wait for clients to read: of all sockets, and of the fullest queue. */
export interface SocketQueues {
  readonly total: number;
  readonly most: number;
}

/** What waits for apps to confirm it, or to come back for it: of all apps, and of the one with the most. */
export interface Outboxes {
  readonly events: number;
  readonly bytes: number;
  readonly mostEvents: number;
}

/** The probes of a running server: all read when somebody asks, so that they can stay on. */
export class ServerProbes {
  /** What the main thread has measured. */
  readonly stages = new StageTimes();
  readonly loop: LoopProbe;
  readonly #workers: WorkerProbe[] = [];
  readonly #stallBegan: Gauge;
  readonly #stallLasted: Gauge;
  #socketQueues: () => SocketQueues = () => ({ total: 0, most: 0 });
  #outboxes: () => Outboxes = () => ({ events: 0, bytes: 0, mostEvents: 0 });
  #onStall: ((stall: Stall) => void) | undefined;

  constructor(registry: Registry) {
    this.loop = new LoopProbe((stall) => {
      this.#stallBegan.set(stall.beganMs / 1000);
      this.#stallLasted.set(stall.lastedMs / 1000);
      this.#onStall?.(stall);
    });
    const registers = [registry];
    const gauge = (name: string, help: string, labelNames: string[], collect: (gauge: Gauge) => void) =>
      new Gauge({
        name,
        help,
        labelNames,
        registers,
        collect() {
          collect(this);
        },
      });
    const none = () => {};
    this.#stallBegan = gauge(
      "browline_loop_stall_began_timestamp_seconds",
      "When the latest stall of the main loop of over 100 ms began",
      [],
      none,
    );
    this.#stallLasted = gauge("browline_loop_stall_seconds", "How long that stall lasted", [], none);
    registerDurations(
      registry,
      "browline_loop_lag_seconds",
      "How late a timer of 20 ms came on the main loop",
      () => [{ labels: {}, read: () => this.loop.lag.read() }],
    );
    registerDurations(
      registry,
      "browline_stage_seconds",
      "Time that an audio frame, a transcript or a display spends in each stage; some stages are sampled",
      () => stageNames.map((stage) => ({ labels: { stage }, read: () => this.readStage(stage) })),
    );
    gauge("browline_ring_backlog_bytes", "Audio that waits in the rings of a worker", ["worker"], (it) => {
      for (const { name, ringBacklog } of this.#workers) it.set({ worker: name }, ringBacklog().total);
    });
    gauge("browline_ring_backlog_most_bytes", "The same of its fullest ring", ["worker"], (it) => {
      for (const { name, ringBacklog } of this.#workers) it.set({ worker: name }, ringBacklog().most);
    });
    const cpuSeconds = new Counter({
      name: "browline_thread_cpu_seconds_total",
      help: "Processor time of the main thread and of each audio worker",
      labelNames: ["thread"],
      registers,
      collect: () => {
        cpuSeconds.reset();
        for (const [thread, ms] of Object.entries(this.threadCpuMs())) cpuSeconds.inc({ thread }, ms / 1e3);
      },
    });
    gauge("browline_socket_queue_bytes", "What waits for clients to read, of all sockets", [], (it) => {
      it.set(this.#socketQueues().total);
    });
    gauge("browline_socket_queue_most_bytes", "The same of the fullest queue", [], (it) => {
      it.set(this.#socketQueues().most);
    });
    gauge("browline_outbox_events", "Events that no app has confirmed yet, of all apps", [], (it) => {
      it.set(this.#outboxes().events);
    });
    gauge("browline_outbox_bytes", "The same in characters, as they are sent", [], (it) => {
      it.set(this.#outboxes().bytes);
    });
    gauge("browline_outbox_most_events", "The same events of the app with the most of them", [], (it) => {
      it.set(this.#outboxes().mostEvents);
    });
    gauge("browline_memory_bytes", "Memory of the process, by kind", ["kind"], (it) => {
      for (const [kind, bytes] of Object.entries(process.memoryUsage())) it.set({ kind }, bytes);
    });
  }

  /** Begins to watch the main loop. @param onStall told of each stall of over 100 ms, once it is over. */
  start(onStall: (stall: Stall) => void): Stop {
    this.#onStall = onStall;
    return this.loop.start();
  }

  addWorker(worker: WorkerProbe): void {
    this.#workers.push(worker);
  }

  /** @param read looks at every socket. */
  watchSocketQueues(read: () => SocketQueues): void {
    this.#socketQueues = read;
  }

  /** @param read looks at every app. */
  watchOutboxes(read: () => Outboxes): void {
    this.#outboxes = read;
  }

  socketQueues(): SocketQueues {
    return this.#socketQueues();
  }

  /** Processor time of the main thread and of each worker since the start, ms. */
  threadCpuMs(): Record<string, number> {
    const { user, system } = process.threadCpuUsage();
    const workers = this.#workers.map(({ name, cpuMs }) => [name, cpuMs()]);
    return { main: (user + system) / 1e3, ...Object.fromEntries(workers) };
  }

  /** How long a stage took, as all threads together have measured it since the start. */
  readStage(stage: StageName) {
    return this.#workers.reduce((sum, { stages }) => sum.plus(stages.read(stage)), this.stages.read(stage));
  }
}
