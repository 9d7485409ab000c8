import type { Clock } from "../kernel/clock.ts";
import type { Config } from "../kernel/config.ts";
import type { Logger } from "../kernel/log.ts";
import type { Metrics } from "../kernel/metrics.ts";
import type { Stop } from "../kernel/stop.ts";
import { AudioWorkerHost, type AudioWorkerSurroundings } from "./audio-worker-host.ts";
import type { AudioCodecs, Fault, SpeechProviderState, SpeechReport } from "./commands.ts";
import type { FrameFates, Lane } from "./lane.ts";
import type { AudioLane, AudioLanes, LaneListener } from "./lanes.ts";
import { RecentAudioPool } from "./recent-audio-pool.ts";
import type { OfflineEngine, RecogniserFault } from "./recogniser-commands.ts";
import { RecogniserHost, type RecogniserStatus } from "./recogniser-host.ts";
import { Relays } from "./relays.ts";

export interface AudioPoolOptions {
  readonly config: Config;
  /** Real time: the records' time stamps are compared with the workers' own clocks. */
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: Metrics;
}

export interface AudioPoolStats {
  readonly workers: readonly {
    readonly lanes: number;
    readonly slots: number;
    /** Infinity while there is no worker. */
    readonly heartbeatAgeMs: number;
    readonly restarts: number;
    /** Frames since the start, its predecessors' included. */
    readonly decoded: number;
  }[];
  readonly recognisers: readonly {
    readonly restarts: number;
    readonly available: boolean;
    /** Infinity while there is no worker. */
    readonly heartbeatAgeMs: number;
  }[];
  readonly recentAudio: { readonly inUse: number; readonly free: number };
  readonly relays: number;
}

const circuitWords = {
  closed: "in use",
  open: "fails and is left alone",
  probing: "is tried again",
} as const;

export interface SpeechStatus extends RecogniserStatus, CloudSpeechStatus {}

export interface CloudSpeechStatus {
  readonly providers: readonly SpeechProviderState[];
  /** Streams that nobody serves at the moment. */
  readonly unserved: number;
}

const tickMs = 250;
const relayMs = 5;
/** Longest fetching of decoded audio at a stretch: the main loop has other work. */
const relayBudgetMs = 1;
const relayBatchesPerTurn = 8;
const startMs = 10_000;

/**
 * All threads of the audio side: a fixed number of audio workers with an arena each, and the recognisers, made once at the
 * start. A session gets a lane on the worker that has the fewest and stays there.
 */
export class AudioPool implements AudioLanes {
  readonly #options: AudioPoolOptions;
  readonly #recents: RecentAudioPool;
  readonly #fates: FrameFates = noFates();
  readonly #workers: AudioWorkerHost[] = [];
  readonly #recognisers: RecogniserHost[] = [];
  readonly #relays = new Relays<Lane>();
  readonly #relayBuffer: Uint8Array;
  readonly #stopTick: Stop;
  #stopRelay: Stop | undefined;
  #relayContinues = false;
  #codecs: AudioCodecs = { opus: "opusscript", lc3: false };
  readonly #recogniserListeners = new Set<() => void>();
  #closing: Promise<void> | undefined;

  private constructor(options: AudioPoolOptions) {
    this.#options = options;
    const { config, clock } = options;
    const { limits } = config;
    this.#recents = new RecentAudioPool(limits.recentAudioMs, limits.recentKeptMs);
    this.#relayBuffer = new Uint8Array(limits.pcmRingBytes);
    const slots = Math.ceil(limits.maxSessions / config.audioWorkers);
    const surroundings: AudioWorkerSurroundings = {
      ...options,
      recents: this.#recents,
      fates: this.#fates,
      relay: (lane, active) => this.#relay(lane, active),
      onSpeech: (report) => this.#onSpeech(report),
      onSpeechNews: (from, news) => {
        for (const host of this.#workers) if (host !== from) host.post(news);
      },
      connectRecognisers: (host) => {
        for (const id of this.#recognisers.keys()) this.#connect(host, id);
      },
    };
    const layout = { slots, ringBytes: limits.ringBytes, pcmRingBytes: limits.pcmRingBytes };
    for (let i = 0; i < config.audioWorkers; i++) {
      this.#workers.push(new AudioWorkerHost(i, layout, surroundings));
    }
    for (const engine of offlineEngines(config)) {
      this.#recognisers.push(
        new RecogniserHost({
          ...options,
          engine,
          onStarted: (host) => {
            for (const worker of this.#workers) this.#connect(worker, this.#recognisers.indexOf(host));
          },
          onChange: () => {
            for (const listener of this.#recogniserListeners) listener();
          },
        }),
      );
    }
    this.#stopTick = clock.every(tickMs, () => this.#tick());
  }

  /**
   * Starts all threads. Resolves when the audio workers answer; the recogniser goes on loading its model.
   * @rejects Error when the audio workers do not start, or lack a codec that the settings demand.
   */
  static async start(options: AudioPoolOptions): Promise<AudioPool> {
    const pool = new AudioPool(options);
    const late = Promise.withResolvers<never>();
    const stop = options.clock.after(startMs, () => late.reject(new Error("the audio workers do not start")));
    try {
      const codecs = await Promise.race([Promise.all(pool.#workers.map((host) => host.ready)), late.promise]);
      pool.#codecs = codecs[0] ?? pool.#codecs;
      return pool;
    } catch (error) {
      await pool.close();
      throw error;
    } finally {
      stop();
    }
  }

  open(listener: LaneListener): AudioLane | undefined {
    if (this.#closing !== undefined) return undefined;
    let least: AudioWorkerHost | undefined;
    for (const host of this.#workers) {
      if (host.hasRoom && (least === undefined || host.usedSlots < least.usedSlots)) least = host;
    }
    return least?.open(listener);
  }

  /** What this machine can decode besides PCM. */
  codecs(): AudioCodecs {
    return this.#codecs;
  }

  recogniserStatus(): RecogniserStatus {
    const known = this.#recognisers.map((host) => host.status);
    if (known.length === 0) {
      return { available: false, detail: "turned off by BROWLINE_RECOGNISER" };
    }
    const detail = known.map((status) => status.detail).join("; ");
    return { available: known.some((status) => status.available), detail };
  }

  /** Whether an offline recogniser has not said yet if it can be used. */
  get isLoadingRecogniser(): boolean {
    return this.#recognisers.some((host) => host.isLoading);
  }

  /** Whether anybody recognises speech, in the cloud or on this machine, and who. */
  speechStatus(): SpeechStatus {
    const offline = this.recogniserStatus();
    const { providers, unserved } = this.cloudSpeech();
    const works = providers.filter(({ circuit }) => circuit === "closed");
    const details = providers.map(({ id, circuit }) => `${id} ${circuitWords[circuit]}`);
    return {
      available: works.length > 0 || offline.available,
      detail: [...details, offline.detail].join("; "),
      providers,
      unserved,
    };
  }

  /** How the cloud providers of speech fare, over all workers: a circuit counts as closed where one worker's is. */
  cloudSpeech(): CloudSpeechStatus {
    const providers = new Map<string, SpeechProviderState>();
    let unserved = 0;
    for (const { cloudSpeech } of this.#workers) {
      unserved += cloudSpeech?.unserved ?? 0;
      for (const state of cloudSpeech?.providers ?? []) {
        const known = providers.get(state.id);
        providers.set(state.id, {
          id: state.id,
          circuit: known === undefined || state.circuit === "closed" ? state.circuit : known.circuit,
          connections: state.connections + (known?.connections ?? 0),
          waiting: state.waiting + (known?.waiting ?? 0),
        });
      }
    }
    return { providers: [...providers.values()], unserved };
  }

  /** Calls `changed` whenever `recogniserStatus()` may answer something else. */
  onRecogniserChange(changed: () => void): Stop {
    this.#recogniserListeners.add(changed);
    return () => this.#recogniserListeners.delete(changed);
  }

  stats(): AudioPoolStats {
    return {
      workers: this.#workers.map((host) => ({
        lanes: host.usedSlots,
        slots: host.arena.layout.slots,
        heartbeatAgeMs: host.heartbeatAgeMs,
        restarts: host.restarts,
        decoded: host.decoded,
      })),
      recognisers: this.#recognisers.map((host) => ({
        restarts: host.restarts,
        available: host.status.available,
        heartbeatAgeMs: host.heartbeatAgeMs,
      })),
      recentAudio: { inUse: this.#recents.inUse, free: this.#recents.free },
      relays: this.#relays.size,
    };
  }

  /** For tests and benches only: makes audio worker `index` misbehave. */
  injectFault(index: number, fault: Fault): void {
    this.#workers[index]?.injectFault(fault);
  }

  /** For tests and benches only: makes recogniser `index` misbehave. */
  injectRecogniserFault(index: number, fault: RecogniserFault): void {
    this.#recognisers[index]?.injectFault(fault);
  }

  /** For tests only: recogniser `index` dies. */
  injectRecogniserDeath(index: number): void {
    this.#recognisers[index]?.injectDeath();
  }

  /** Ends all threads, after the recognisers have freed their models. Lanes should be closed before. Safe to call twice. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    await Promise.all(this.#recognisers.map((host) => host.close()));
    this.#tick();
    this.#stopTick();
    this.#stopRelay?.();
    for (const host of this.#workers) host.close();
  }

  #onSpeech({ counts, lagsMs }: SpeechReport): void {
    const { speechEvents, speechLag, speechConnections, speechUnserved } = this.#options.metrics;
    for (const { what, provider, reason, by } of counts) speechEvents.inc({ what, provider, reason }, by);
    for (const lagMs of lagsMs) speechLag.observe(lagMs / 1000);
    const { providers, unserved } = this.cloudSpeech();
    speechUnserved.set(unserved);
    for (const { id, connections, waiting } of providers) {
      speechConnections.set({ provider: id, state: "open" }, connections);
      speechConnections.set({ provider: id, state: "waiting" }, waiting);
    }
  }

  #connect(host: AudioWorkerHost, recogniserId: number): void {
    const recogniser = this.#recognisers[recogniserId];
    const port = recogniser?.connect();
    if (recogniser !== undefined && port !== undefined) {
      host.connectRecogniser(recogniserId, recogniser.engine, port);
    }
  }

  #relay(lane: Lane, active: boolean): void {
    if (active) this.#relays.add(lane);
    else this.#relays.delete(lane);
    if (this.#relays.size === 0) {
      this.#stopRelay?.();
      this.#stopRelay = undefined;
    } else this.#stopRelay ??= this.#options.clock.every(relayMs, () => this.#drainRelays());
  }

  #drainRelays(): void {
    const { clock } = this.#options;
    const untilMs = clock.now() + relayBudgetMs;
    for (let left = this.#relays.size; left > 0; left--) {
      // Who has been served is last in the order: so a cut-off hits another lane each time.
      this.#relays.next()?.drainPcm(relayBatchesPerTurn, this.#relayBuffer);
      if ((left & 7) !== 0 || clock.now() < untilMs) continue;
      // Others have a turn first, but the rest need not wait for the next tick: under load that would be a ceiling.
      if (!this.#relayContinues) {
        this.#relayContinues = true;
        setImmediate(() => {
          this.#relayContinues = false;
          if (this.#closing === undefined) this.#drainRelays();
        });
      }
      return;
    }
  }

  #tick(): void {
    for (const host of this.#workers) host.tick();
    const { audioFrames } = this.#options.metrics;
    for (const fate of Object.keys(this.#fates) as (keyof FrameFates)[]) {
      if (this.#fates[fate] === 0) continue;
      audioFrames.inc({ fate }, this.#fates[fate]);
      this.#fates[fate] = 0;
    }
  }
}

function noFates(): FrameFates {
  return { accepted: 0, refused: 0, oversized: 0, empty: 0, unwanted: 0, quarantined: 0, closed: 0 };
}

/** The offline recognisers that the settings want, in their order: one thread each is enough for one machine. */
function offlineEngines({ speech, sherpaModel, recogniser }: Config): OfflineEngine[] {
  const wantsSherpa = speech.includes("sherpa") && sherpaModel !== undefined;
  const engines = new Set(
    speech.filter((id): id is OfflineEngine => id === "sherpa" || id === "pocketsphinx"),
  );
  if (!wantsSherpa) engines.delete("sherpa");
  if (recogniser === "off") engines.delete("pocketsphinx");
  else engines.add("pocketsphinx");
  return [...engines];
}
