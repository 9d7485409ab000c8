import type { Clock } from "../kernel/clock.ts";
import type { Config, SpeechAccount } from "../kernel/config.ts";
import type { Logger } from "../kernel/log.ts";
import type { Metrics } from "../kernel/metrics.ts";
import { type StageName, StageTimes } from "../kernel/stage-times.ts";
import { type DeathCause, SupervisedWorker } from "../kernel/supervised-worker.ts";
import { Arena, type ArenaLayout } from "./arena.ts";
import type {
  AudioCodecs,
  AudioWorkerCommand,
  AudioWorkerReport,
  Fault,
  SpeechNews,
  SpeechReport,
  SpeechSetup,
} from "./commands.ts";
import { type FrameFates, Lane, type LaneHost } from "./lane.ts";
import type { LaneListener } from "./lanes.ts";
import { samplesPerMs } from "./recent-audio.ts";
import type { RecentAudioPool } from "./recent-audio-pool.ts";
import type { OfflineEngine } from "./recogniser-commands.ts";
import { stampAgeMs, stampOf } from "./stamp.ts";

const usualFrameSamples = 20 * samplesPerMs;

/** What the hosts of all audio workers share. */
export interface AudioWorkerSurroundings {
  readonly config: Config;
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: Metrics;
  readonly recents: RecentAudioPool;
  readonly fates: FrameFates;
  relay(lane: Lane, active: boolean): void;
  onSpeech(report: SpeechReport): void;
  /** What a worker has found out about a provider, for the others. */
  onSpeechNews(from: AudioWorkerHost, news: SpeechNews): void;
  /** A new audio worker needs a way to every recogniser. */
  connectRecognisers(host: AudioWorkerHost): void;
}

/** One audio worker as the main thread sees it: the arena, the lanes on its slots, and the thread, which may be replaced. */
export class AudioWorkerHost implements LaneHost {
  readonly arena: Arena;
  readonly clock: Clock;
  readonly limits: Config["limits"];
  readonly epochMs: number;
  readonly recents: RecentAudioPool;
  readonly fates: FrameFates;
  readonly pcmToMain;
  /** What the worker's threads measure. */
  readonly #stages = new StageTimes();
  readonly #index: number;
  readonly #surroundings: AudioWorkerSurroundings;
  readonly #worker: SupervisedWorker;
  readonly #ready = Promise.withResolvers<AudioCodecs>();
  readonly #lanes: (Lane | undefined)[] = [];
  readonly #freeSlots: number[] = [];
  readonly #generations: Int32Array;
  #cloudSpeech: SpeechReport | undefined;
  #incarnation = 0;
  #poison: Uint8Array | undefined;
  #decoded = 0;

  constructor(index: number, layout: ArenaLayout, surroundings: AudioWorkerSurroundings) {
    const { config, clock, log, metrics } = surroundings;
    this.#index = index;
    this.#surroundings = surroundings;
    this.arena = Arena.allocate(layout);
    this.clock = clock;
    this.limits = config.limits;
    this.epochMs = clock.now();
    this.recents = surroundings.recents;
    this.fates = surroundings.fates;
    this.pcmToMain = this.#mainStage("pcm_to_main");
    metrics.probes.addWorker({
      name: `audio-${index}`,
      stages: this.#stages,
      cpuMs: () => this.arena.cpuMs,
      ringBacklog: () => this.arena.backlog(),
    });
    this.#generations = new Int32Array(layout.slots);
    for (let slot = layout.slots - 1; slot >= 0; slot--) this.#freeSlots.push(slot);
    this.#worker = new SupervisedWorker({
      kind: "audio",
      url: new URL("../../workers/audio-worker.ts", import.meta.url),
      clock,
      log,
      metrics,
      pulse: {
        read: () => ({ beat: this.arena.beat, busy: this.arena.busy }),
        silenceMs: config.limits.workerSilenceMs,
      },
      onStart: (worker) => this.#onStart(worker),
      onMessage: (message) => this.#onMessage(message as AudioWorkerReport),
      onDeath: (cause) => this.#onDeath(cause),
    });
  }

  /** Resolves when the first worker answers. @rejects when it cannot do what the settings ask for. */
  get ready(): Promise<AudioCodecs> {
    return this.#ready.promise;
  }

  /** Slots in use, those included whose session has ended but whose worker has not let go yet. */
  get usedSlots(): number {
    return this.arena.layout.slots - this.#freeSlots.length;
  }

  get hasRoom(): boolean {
    return this.#freeSlots.length > 0;
  }

  get heartbeatAgeMs(): number {
    return this.#worker.heartbeatAgeMs;
  }

  /** How it stands with the cloud providers of speech, as it said last. Undefined: it has none, or has not said. */
  get cloudSpeech(): SpeechReport | undefined {
    return this.#cloudSpeech;
  }

  get restarts(): number {
    return this.#worker.restarts;
  }

  /** Frames since the start, as far as they have been counted. */
  get decoded(): number {
    return this.#decoded;
  }

  open(listener: LaneListener): Lane | undefined {
    const slot = this.#freeSlots.pop();
    if (slot === undefined) return undefined;
    const generation = ((this.#generations[slot] ?? 0) + 1) | 0;
    this.#generations[slot] = generation;
    const lane = new Lane(this, slot, generation, listener);
    this.#lanes[slot] = lane;
    return lane;
  }

  /** Gives the worker a way to a recogniser. */
  connectRecogniser(recogniserId: number, engine: OfflineEngine, port: MessagePort): void {
    const command: AudioWorkerCommand = { kind: "recogniser", recogniserId, engine, port };
    if (!this.#worker.post(command, [port])) port.close();
  }

  injectFault(fault: Fault): void {
    if (fault.fault === "poison") this.#poison = fault.frame;
    this.post({ kind: "fault", ...fault });
  }

  /** Carries what has been counted into the metrics, and writes what lanes could not write before. */
  tick(): void {
    for (const lane of this.#lanes) {
      if (lane === undefined) continue;
      lane.flush();
      this.#collect(lane);
    }
  }

  close(): void {
    this.#worker.close();
  }

  // For its lanes

  post(command: AudioWorkerCommand): void {
    this.#worker.post(command);
  }

  relay(lane: Lane, active: boolean): void {
    this.#surroundings.relay(lane, active);
  }

  onListenerError(error: unknown): void {
    this.#surroundings.metrics.errors.inc({ where: "audio_listener" });
    this.#surroundings.log.error({ err: error }, "what listens to a lane has failed");
  }

  freed(lane: Lane): void {
    this.#collect(lane);
    this.#lanes[lane.slot] = undefined;
    this.#freeSlots.push(lane.slot);
  }

  #onStart(worker: Worker): void {
    const { limits, opus } = this.#surroundings.config;
    const start: AudioWorkerCommand = {
      kind: "start",
      workerId: `${this.#index}.${this.#incarnation++}`,
      arena: this.arena.buffer,
      layout: this.arena.layout,
      epochMs: this.epochMs,
      stages: this.#stages.buffer,
      opus,
      prerollMs: limits.prerollMs,
      pcmBatchMs: limits.pcmBatchMs,
      audioLagMs: limits.audioLagMs,
      speech: this.#speechSetup(),
      poison: this.#poison,
    };
    this.arena.prepareForNewWorker();
    worker.postMessage(start);
    // The supervisor has no `post` yet while it is being made; there are no lanes then either.
    queueMicrotask(() => this.#introduce());
  }

  /** An even share of every account: workers do not ask each other. */
  #speechSetup(): SpeechSetup {
    const { speech, deepgram, assemblyai, audioWorkers } = this.#surroundings.config;
    const share = (account: SpeechAccount | undefined) =>
      account && {
        ...account,
        concurrency: Math.max(1, Math.floor(account.concurrency / audioWorkers)),
        opensPerMinute: account.opensPerMinute / audioWorkers,
      };
    return { order: speech, deepgram: share(deepgram), assemblyai: share(assemblyai) };
  }

  #introduce(): void {
    // The first worker is connected when the recogniser starts.
    if (this.#incarnation > 1) this.#surroundings.connectRecognisers(this);
    for (const lane of this.#lanes) {
      if (lane === undefined) continue;
      lane.announce(true);
      this.arena.mark(lane.slot);
    }
  }

  #onMessage(report: AudioWorkerReport): void {
    switch (report.kind) {
      case "ready":
        this.#ready.resolve(report.codecs);
        return;
      case "failed":
        this.#ready.reject(new Error(report.detail));
        return;
      case "speech":
        this.#cloudSpeech = report;
        this.#surroundings.onSpeech(report);
        return;
      case "speechNews":
        this.#surroundings.onSpeechNews(this, report);
        return;
      case "lanes": {
        const fromMs = this.clock.now();
        const waitedMs = stampAgeMs(stampOf(fromMs, this.epochMs), report.stamp);
        this.#mainStage("provider_to_main").record(waitedMs * 1000);
        for (const one of report.reports) {
          // The other causes count frames; a frame's usual length makes the recogniser's samples comparable.
          if (one.kind === "lost") {
            const frames = Math.ceil(one.samples / usualFrameSamples);
            this.#surroundings.metrics.audioLost.inc({ cause: "recogniser" }, frames);
          }
          this.#lanes[one.slot]?.receive(one);
          // From when they came: those of one message are handed out one after the other.
          if (one.kind === "transcript") {
            this.#mainStage("main_to_app").record((this.clock.now() - fromMs) * 1000);
          }
        }
      }
    }
  }

  #mainStage(stage: StageName) {
    return this.#surroundings.metrics.probes.stages.of(stage);
  }

  #onDeath(cause: DeathCause): void {
    const { log, metrics } = this.#surroundings;
    const slot = this.arena.currentSlot;
    this.#cloudSpeech = undefined;
    log.warn({ worker: this.#index, cause, atWorkOnLane: slot >= 0 }, "an audio worker is replaced");
    if (this.#lanes[slot]?.countDeath()) {
      metrics.lanesQuarantined.inc();
      log.error(
        { worker: this.#index, slot },
        "a lane is quarantined: its audio ended its worker repeatedly",
      );
    }
  }

  #collect(lane: Lane): void {
    const { audioFramesDecoded, audioLost } = this.#surroundings.metrics;
    lane.collect((counter, by) => {
      if (counter === "decoded") {
        audioFramesDecoded.inc(by);
        this.#decoded += by;
      } else audioLost.inc({ cause: counter }, by);
    });
  }
}
