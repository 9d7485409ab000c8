import type { Clock } from "../kernel/clock.ts";
import type { LatencyHistogram } from "../kernel/latency-histogram.ts";
import type { Limits } from "../kernel/limits.ts";
import type { Stop } from "../kernel/stop.ts";
import type { AudioFormat } from "../wire/audio-format.ts";
import type { Arena } from "./arena.ts";
import type { AudioWorkerCommand, LaneReport } from "./commands.ts";
import { type LaneCounter, type LaneSlot, laneCounters } from "./lane-slot.ts";
import { LaneWriter } from "./lane-writer.ts";
import type { AudioDemand, AudioLane, LaneListener } from "./lanes.ts";
import { type RecentAudio, samplesPerMs } from "./recent-audio.ts";
import type { RecentAudioPool } from "./recent-audio-pool.ts";
import type { RingReader } from "./ring.ts";
import { stampAgeMs, stampOf } from "./stamp.ts";
import { ToldTranscripts } from "./told-transcripts.ts";

/** What became of the frames of all lanes, counted here and carried into the metrics now and then: that costs more. */
export interface FrameFates {
  accepted: number;
  /** The ring was full. */
  refused: number;
  oversized: number;
  empty: number;
  /** Nobody listened. */
  unwanted: number;
  quarantined: number;
  /** Came after the lane was closed. */
  closed: number;
}

export interface LaneHost {
  readonly arena: Arena;
  readonly clock: Clock;
  readonly limits: Limits;
  /** Zero of the records' time stamps, on the clock. */
  readonly epochMs: number;
  readonly recents: RecentAudioPool;
  readonly fates: FrameFates;
  /** How long decoded audio was on its way back. */
  readonly pcmToMain: LatencyHistogram;
  /** Sends to the worker, if there is one; a later one is told everything by `announce`. */
  post(command: AudioWorkerCommand): void;
  /** Decoded audio is, or is no longer, to be fetched from the lane's return ring. */
  relay(lane: Lane, active: boolean): void;
  /** What a listener throws. */
  onListenerError(error: unknown): void;
  /** Nothing of the lane is in use any more. */
  freed(lane: Lane): void;
}

type Phase =
  | { readonly kind: "open" }
  /** Its frames killed their worker too often: they are counted and let go, and no worker is told of the lane. */
  | { readonly kind: "quarantined" }
  /** Waits for the worker's last words. The listener still hears. */
  | { readonly kind: "closing"; readonly deadlineMs: number; readonly stop: Stop }
  /** The listener hears nothing more, but the worker still has to let go. */
  | { readonly kind: "silent"; readonly deadlineMs: number }
  | { readonly kind: "closed" };

/** The session's recent audio: lent only while, and for some time after, somebody listens. */
type Memory =
  | { readonly kind: "none"; readonly nextSample: number }
  | { readonly kind: "held"; readonly recent: RecentAudio; idle: Stop | undefined }
  /** The worker has been asked to let go of it. */
  | { readonly kind: "releasing"; readonly recent: RecentAudio };

const nothingWanted: AudioDemand = { languages: [], pcm: false };

function wants(demand: AudioDemand): boolean {
  return demand.pcm || demand.voice === true || demand.languages.length > 0;
}

/** What a demand is told apart by. */
function textOf({ languages, pcm, encodedOnly = false, speech = [], voice = false }: AudioDemand): string {
  return JSON.stringify([languages, pcm, encodedOnly, speech, voice]);
}

/** The main thread's end of one session's way through an audio worker. */
export class Lane implements AudioLane {
  readonly slot: number;
  readonly #generation: number;
  readonly #host: LaneHost;
  readonly #listener: LaneListener;
  readonly #words: LaneSlot;
  readonly #writer: LaneWriter;
  readonly #pcmReader: RingReader;
  readonly #closed = Promise.withResolvers<void>();
  readonly #counted: Record<LaneCounter, number>;
  readonly #told = new ToldTranscripts();
  #phase: Phase = { kind: "open" };
  #demand: AudioDemand = nothingWanted;
  #demandText = textOf(nothingWanted);
  #memory: Memory = { kind: "none", nextSample: 0 };
  #voice = false;
  /** Whether frames go into the ring. */
  #listening = false;
  #deathsMs: number[] = [];

  constructor(host: LaneHost, slot: number, generation: number, listener: LaneListener) {
    this.slot = slot;
    this.#host = host;
    this.#generation = generation;
    this.#listener = listener;
    this.#words = host.arena.slot(slot);
    this.#writer = new LaneWriter(this.#words, generation);
    this.#pcmReader = this.#words.pcmReader();
    this.#words.oddBytes = false;
    this.#words.setSpeaking(false, 0);
    this.#counted = Object.fromEntries(
      laneCounters.map((name) => [name, this.#words.counter(name)]),
    ) as Record<LaneCounter, number>;
    this.announce(false);
  }

  write(frame: Uint8Array): boolean {
    const { fates } = this.#host;
    const length = frame.byteLength;
    if (!this.#listening) return this.#letGo(length);
    if (length === 0) {
      fates.empty++;
      return true;
    }
    if (!this.#writer.carries(length)) {
      fates.oversized++;
      this.#writer.missing(length);
      return false;
    }
    const whole = this.#writer.write(frame, this.#stamp());
    // Also for a part of a frame: what came before must not wait for what comes next.
    this.#host.arena.ring(this.slot);
    if (whole) fates.accepted++;
    else fates.refused++;
    return whole;
  }

  skip(bytes: number): void {
    this.#writer.missing(bytes);
  }

  setFormat(format: AudioFormat): void {
    this.#writer.setFormat(format);
    this.flush();
  }

  markVoice(active: boolean): void {
    this.#writer.markVoice(active);
    this.flush();
  }

  reset(): void {
    this.#writer.reset();
    this.flush();
  }

  /** Writes markers that wait, as far as there is room. Called again and again by the pool, since audio may have ended. */
  flush(): void {
    if (!this.#writer.pending || !this.#listening) return;
    this.#writer.flush(this.#stamp());
    this.#host.arena.ring(this.slot);
  }

  setDemand(demand: AudioDemand): void {
    const { languages, pcm, encodedOnly = false, speech = [], voice = false } = demand;
    const text = textOf(demand);
    if (text === this.#demandText || this.#phase.kind !== "open") return;
    // What an earlier demand has left in the return ring is old by now.
    if (demand.pcm && !this.#demand.pcm) while (this.#pcmReader.next()) this.#pcmReader.drop();
    this.#demand = { pcm, encodedOnly, languages: [...languages], speech: [...speech], voice };
    this.#demandText = text;
    this.#applyDemand();
  }

  close(drainMs: number): Promise<void> {
    switch (this.#phase.kind) {
      case "open": {
        this.flush();
        this.#listening = false;
        const deadlineMs = this.#host.clock.now() + drainMs;
        // The worker keeps the same deadline; the margin is for its answer.
        const stop = this.#host.clock.after(drainMs + 250, () => {
          this.#endUtterances([]);
          this.#phase = { kind: "silent", deadlineMs };
          this.#closed.resolve();
        });
        this.#phase = { kind: "closing", deadlineMs, stop };
        this.#command({ kind: "close", drainMs });
        break;
      }
      case "quarantined":
        this.#free();
        break;
    }
    return this.#closed.promise;
  }

  // Called by the lane's host

  /** Tells a worker that knows nothing of this lane all that it needs. */
  announce(resumed: boolean): void {
    if (this.#phase.kind === "quarantined" || this.#phase.kind === "closed") return;
    if (resumed) this.#endUtterances(this.#demand.languages);
    const told = resumed ? this.#told.languages : [];
    this.#command({ kind: "open", resumed, told, rings: this.#host.arena.rings(this.slot) });
    if (this.#memory.kind === "releasing") this.#released();
    else if (this.#memory.kind === "held") this.#postDemand();
    if (this.#phase.kind === "closing" || this.#phase.kind === "silent") {
      const drainMs = Math.max(0, this.#phase.deadlineMs - this.#host.clock.now());
      this.#command({ kind: "close", drainMs });
    }
    // The former worker may have died between the end of speech and the message about it.
    if (resumed && !this.#words.speaking) this.#reportVoice(false, this.#memory);
  }

  /** The worker has died while at work on this lane. Returns whether the lane has been cut off for that. */
  countDeath(): boolean {
    const nowMs = this.#host.clock.now();
    const { quarantineDeaths, quarantineWindowMs } = this.#host.limits;
    this.#deathsMs = [...this.#deathsMs.filter((atMs) => nowMs - atMs < quarantineWindowMs), nowMs];
    if (this.#deathsMs.length < quarantineDeaths) return false;
    const phase = this.#phase;
    if (phase.kind === "closing" || phase.kind === "silent") {
      if (phase.kind === "closing") phase.stop();
      this.#endUtterances([]);
      this.#free();
      return true;
    }
    if (phase.kind !== "open") return false;
    this.#reportVoice(false, this.#memory);
    this.#endUtterances([]);
    const detail = "the audio of this session ended its worker repeatedly and is no longer processed";
    this.#tell((listener) => listener.onSpeechState({ state: "off", detail }));
    this.#phase = { kind: "quarantined" };
    this.#listening = false;
    this.#host.relay(this, false);
    this.#forgetMemory();
    return true;
  }

  /** Something that the worker says about this slot. */
  receive(report: LaneReport): void {
    if (report.generation !== this.#generation) return;
    switch (report.kind) {
      case "transcript":
        this.#told.note(report.transcript);
        this.#tell((listener) => listener.onTranscript(report.transcript));
        return;
      case "voice":
        if (report.active !== this.#voice) {
          this.#voice = report.active;
          this.#tell((listener) => listener.onVoice(report.active, report.sample / samplesPerMs));
        }
        return;
      case "speechState":
        this.#tell((listener) => listener.onSpeechState(report.state));
        return;
      case "released":
        if (this.#memory.kind === "releasing") this.#released();
        return;
      case "closed":
        this.#onClosed();
        return;
      case "lost":
        return;
    }
  }

  /**
   * Hands decoded audio to the listener.
   * @param into one batch is copied there.
   * @returns whether more may be there, after at most `limit` batches.
   */
  drainPcm(limit: number, into: Uint8Array): boolean {
    let nowStamp: number | undefined;
    for (let i = 0; i < limit; i++) {
      if (!this.#pcmReader.next()) return false;
      if (this.#pcmReader.generation !== this.#generation) {
        this.#pcmReader.drop();
        continue;
      }
      nowStamp ??= this.#stamp();
      this.#host.pcmToMain.record(stampAgeMs(nowStamp, this.#pcmReader.stamp) * 1000);
      const length = this.#pcmReader.take(into);
      if (this.#phase.kind !== "open" && this.#phase.kind !== "closing") continue;
      try {
        this.#listener.onPcm(into.subarray(0, length));
      } catch (error) {
        this.#host.onListenerError(error);
      }
    }
    return true;
  }

  /** What the worker has counted since the last call, by `counted`. */
  collect(counted: (counter: LaneCounter, by: number) => void): void {
    for (const name of laneCounters) {
      const value = this.#words.counter(name);
      const by = (value - this.#counted[name]) | 0;
      if (by !== 0) counted(name, by);
      this.#counted[name] = value;
    }
  }

  #letGo(length: number): boolean {
    const { fates } = this.#host;
    switch (this.#phase.kind) {
      case "open":
        fates.unwanted++;
        this.#writer.missing(length);
        return true;
      case "quarantined":
        fates.quarantined++;
        return false;
      default:
        fates.closed++;
        return false;
    }
  }

  #stamp(): number {
    return stampOf(this.#host.clock.now(), this.#host.epochMs);
  }

  #applyDemand(): void {
    const { recents, limits, clock } = this.#host;
    const wanted = wants(this.#demand);
    const memory = this.#memory;
    if (memory.kind === "releasing" || (memory.kind === "none" && !wanted)) return;
    if (memory.kind === "none") {
      this.#memory = { kind: "held", recent: recents.acquire(memory.nextSample), idle: undefined };
    } else {
      memory.idle?.();
      memory.idle = wanted ? undefined : clock.after(limits.recentIdleMs, () => this.#releaseMemory());
    }
    this.#postDemand();
    this.#listening = wanted;
    this.#host.relay(this, this.#demand.pcm);
    this.flush();
  }

  #postDemand(): void {
    if (this.#memory.kind !== "held") return;
    const { languages, pcm, encodedOnly = false, speech = [] } = this.#demand;
    const recent = wants(this.#demand) ? this.#memory.recent.buffer : undefined;
    this.#command({ kind: "demand", languages, speech, pcm, encodedOnly, recent });
  }

  #releaseMemory(): void {
    if (this.#memory.kind !== "held") return;
    this.#memory = { kind: "releasing", recent: this.#memory.recent };
    this.#command({ kind: "release" });
  }

  #released(): void {
    this.#forgetMemory();
    if (this.#phase.kind === "open") this.#applyDemand();
  }

  #forgetMemory(): void {
    if (this.#memory.kind === "none") return;
    if (this.#memory.kind === "held") this.#memory.idle?.();
    const { recent } = this.#memory;
    // The session's clock goes on where it stood, whatever memory comes next.
    this.#memory = { kind: "none", nextSample: recent.written };
    this.#host.recents.release(recent);
  }

  #onClosed(): void {
    if (this.#phase.kind !== "closing" && this.#phase.kind !== "silent") return;
    if (this.#phase.kind === "closing") {
      this.#phase.stop();
      while (this.#demand.pcm && this.drainPcm(64, lastWords));
    }
    this.#endUtterances([]);
    this.#free();
  }

  #free(): void {
    this.#phase = { kind: "closed" };
    this.#host.relay(this, false);
    this.#forgetMemory();
    this.#host.freed(this);
    this.#closed.resolve();
  }

  /** Tells the finals of utterances that nobody will end any more; the last one of `languages` still goes on. */
  #endUtterances(languages: readonly string[]): void {
    for (const final of this.#told.end(languages)) this.#tell((listener) => listener.onTranscript(final));
  }

  #reportVoice(active: boolean, memory: Memory): void {
    if (this.#voice === active) return;
    this.#voice = active;
    const sample = memory.kind === "none" ? memory.nextSample : memory.recent.written;
    this.#tell((listener) => listener.onVoice(active, sample / samplesPerMs));
  }

  #tell(call: (listener: LaneListener) => void): void {
    if (this.#phase.kind !== "open" && this.#phase.kind !== "closing") return;
    try {
      call(this.#listener);
    } catch (error) {
      this.#host.onListenerError(error);
    }
  }

  #command(command: SlotCommandBody): void {
    const serial = (this.#words.announced + 1) | 0;
    // Before it is sent: from here on the worker lets the ring stand until the command has arrived.
    this.#words.announced = serial;
    this.#host.post({ ...command, slot: this.slot, generation: this.#generation, serial });
  }
}

type WithoutAddress<Command> = Command extends { readonly serial: number }
  ? Omit<Command, "slot" | "generation" | "serial">
  : never;
type SlotCommandBody = WithoutAddress<AudioWorkerCommand>;

const lastWords = new Uint8Array(4096);
