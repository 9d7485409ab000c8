import type { Arena } from "../src/audio/arena.ts";
import type { LaneReport } from "../src/audio/commands.ts";
import { formatCode, formatOfCode, frameKinds, numberOfPayload } from "../src/audio/frame.ts";
import type { LaneSlot } from "../src/audio/lane-slot.ts";
import type { SpeechWish } from "../src/audio/lanes.ts";
import { RecentAudio, samplesPerMs } from "../src/audio/recent-audio.ts";
import type { RingReader } from "../src/audio/ring.ts";
import { stampAgeMs } from "../src/audio/stamp.ts";
import type { ToldLanguage } from "../src/audio/told-transcripts.ts";
import type { LatencyHistogram } from "../src/kernel/latency-histogram.ts";
import type { StageTimes } from "../src/kernel/stage-times.ts";
import type { AudioFormat } from "../src/wire/audio-format.ts";
import type { Codec } from "./codecs/codec.ts";
import type { CodecShelf } from "./codecs/codec-shelf.ts";
import { PcmRelay } from "./pcm-relay.ts";
import { LaneSpeech, type LaneSpeechReport } from "./stt/lane-speech.ts";
import type { SpeechProvider } from "./stt/provider.ts";
import type { VoiceDetector, VoiceDetectors } from "./voice-detector.ts";

/** What all lanes of a worker share. */
export interface LaneContext {
  readonly workerId: string;
  readonly arena: Arena;
  readonly shelf: CodecShelf;
  readonly detectors: VoiceDetectors;
  readonly prerollMs: number;
  readonly pcmBatchMs: number;
  readonly audioLagMs: number;
  /** The present moment, as records are stamped. */
  stamp(): number;
  readonly stages: StageTimes;
  providers(): readonly SpeechProvider[];
  report(report: LaneReport): void;
  /** For tests: a frame with exactly these bytes ends the worker. */
  poison: Uint8Array | undefined;
}

/** A lane that is too far behind goes on with audio no older than this. */
const liveMs = 250;
/** Speech without any more audio is over after this: a phone that loses its connection says no `VAD off`. */
const quietMs = 1_500;

type Phase =
  | { readonly kind: "open" }
  /** Works off what is in the ring, then waits for the pending words, until `deadline` (a `performance.now()`). */
  | { readonly kind: "draining"; readonly deadline: number }
  | { readonly kind: "finished" };

/** One session in its audio worker: takes frames from the ring, decodes them, and feeds everything that listens. */
export class WorkerLane {
  readonly slot: number;
  readonly generation: number;
  readonly #context: LaneContext;
  readonly #words: LaneSlot;
  readonly #reader: RingReader;
  readonly #relay: PcmRelay;
  readonly #ringToWorker: LatencyHistogram;
  readonly #decodeTimes: LatencyHistogram;
  #serial = 0;
  #phase: Phase = { kind: "open" };
  #format: AudioFormat;
  #codec: Codec;
  #recent: RecentAudio | undefined;
  #detector: VoiceDetector | undefined;
  #speech: LaneSpeech | undefined;
  #speeches = 0;
  #wanted = false;
  #relays = false;
  #encodedOnly = false;
  #catchingUp = false;
  #heardSamples = 0;
  /** When the newest audio came into the server. */
  #heardStamp = 0;
  #heardAt = 0;
  /** No pre-roll reaches back before this sample: it has been recognised as part of the speech before. */
  #spokenUntil = 0;
  /** Where speech began that a former worker was in the middle of. */
  #resumeFrom: number | undefined;
  /** What a former worker has told of speech. */
  #told: readonly ToldLanguage[];

  /** @param resumed whether the session goes on after the death of its former worker, which has `told` so much. */
  constructor(
    context: LaneContext,
    slot: number,
    generation: number,
    resumed: boolean,
    told: readonly ToldLanguage[] = [],
  ) {
    this.slot = slot;
    this.generation = generation;
    this.#context = context;
    this.#words = context.arena.slot(slot);
    this.#reader = this.#words.reader();
    this.#relay = new PcmRelay(this.#words.pcmWriter(), generation, context.pcmBatchMs, context.stamp, () =>
      this.#words.count("pcm_refused"),
    );
    this.#ringToWorker = context.stages.of("ring_to_worker");
    this.#decodeTimes = context.stages.of("decode");
    this.#format = formatOfCode(this.#words.format);
    this.#codec = this.#openCodec();
    if (this.#words.oddBytes) this.#codec.skipped(1);
    this.#told = told;
    if (resumed && this.#words.speaking) this.#resumeFrom = this.#words.speechStart;
  }

  /** Takes over the serial number of a command that has been carried out. */
  setSerial(serial: number): void {
    this.#serial = serial;
  }

  /** Starts, changes or (without `recent`) ends what is done with the audio. */
  setDemand(
    languages: readonly string[],
    pcm: boolean,
    recent: SharedArrayBuffer | undefined,
    wishes: readonly SpeechWish[] = [],
    encodedOnly = false,
  ): void {
    this.#wanted = recent !== undefined;
    this.#relays = pcm && this.#wanted;
    this.#encodedOnly = encodedOnly;
    if (recent === undefined) {
      this.#closeDetector();
      this.#speech?.setLanguages([]);
      return;
    }
    // The main thread hands out the same memory until it has been released.
    const audio = this.#recent ?? new RecentAudio(recent);
    this.#recent = audio;
    if (languages.length > 0 || this.#speech !== undefined) {
      this.#speech ??= this.#openSpeech(audio);
      this.#speech.setLanguages(languages, wishes);
    }
    this.#detector ??= this.#openDetector(audio);
  }

  /** Lets go of the recent audio, after words that are still on their way. */
  async release(drainMs: number): Promise<void> {
    const speech = this.#speech;
    this.#speech = undefined;
    this.#closeDetector();
    this.#recent = undefined;
    await speech?.close(drainMs);
    this.#context.report({ kind: "released", slot: this.slot, generation: this.generation });
  }

  close(drainMs: number): void {
    if (this.#phase.kind === "open")
      this.#phase = { kind: "draining", deadline: performance.now() + drainMs };
  }

  /** Of each stream of speech that owes words: audio received and not recognised yet, milliseconds. */
  get lagsMs(): readonly number[] {
    return this.#speech?.lagsMs ?? [];
  }

  get finished(): boolean {
    return this.#phase.kind === "finished";
  }

  /**
   * Works off up to `limit` records.
   * @returns whether more are waiting.
   */
  drain(limit: number): boolean {
    // A command about this slot is on its way, and says what the records are for.
    if (this.#words.announced !== this.#serial || this.#phase.kind === "finished") return false;
    let more = true;
    for (let i = 0; i < limit && more; i++) {
      more = this.#reader.next();
      if (more) this.#handleRecord();
    }
    this.#passOn();
    if (this.#phase.kind === "draining" && (!more || performance.now() >= this.#phase.deadline)) {
      this.#finish(this.#phase.deadline);
      return false;
    }
    return more;
  }

  /** Ends speech for which no more audio has come for a while. Call about five times a second. */
  endIfQuiet(): void {
    const quiet = this.#reader.backlogBytes === 0 && performance.now() - this.#heardAt > quietMs;
    if (quiet && this.#detector?.active) this.#detector.end();
  }

  #handleRecord(): void {
    const reader = this.#reader;
    if (reader.generation !== this.generation) {
      if (reader.kind === frameKinds.audio) this.#words.count("late");
      reader.drop();
      return;
    }
    switch (reader.kind) {
      case frameKinds.audio:
        this.#handleAudio();
        return;
      case frameKinds.format:
        reader.take(scratch);
        this.#format = formatOfCode(numberOfPayload(scratch));
        this.#words.format = formatCode(this.#format);
        this.#words.oddBytes = false;
        this.#codec.close();
        this.#codec = this.#openCodec();
        return;
      case frameKinds.gap:
        reader.take(scratch);
        this.#skipBytes(numberOfPayload(scratch));
        return;
      case frameKinds.reset:
        reader.drop();
        this.#words.oddBytes = false;
        this.#codec.reset();
        this.#detector?.reset();
        return;
      case frameKinds.voiceOn:
        reader.drop();
        this.#heardAt = performance.now();
        this.#detector?.begin();
        return;
      case frameKinds.voiceOff:
        reader.drop();
        this.#detector?.end();
        return;
      default:
        reader.drop();
    }
  }

  #handleAudio(): void {
    const reader = this.#reader;
    const context = this.#context;
    const words = this.#words;
    const lagMs = stampAgeMs(context.stamp(), reader.stamp);
    this.#ringToWorker.record(lagMs * 1000);
    const recent = this.#recent;
    if (recent === undefined || !this.#wanted) {
      words.count("unwanted");
      this.#skipFrame();
      return;
    }
    this.#catchingUp = lagMs > (this.#catchingUp ? liveMs : context.audioLagMs);
    if (this.#catchingUp) {
      words.count("skipped");
      this.#skipFrame();
      return;
    }
    if (scratch.length < reader.length) scratch = new Uint8Array(reader.length);
    this.#countBytes(reader.length);
    // Consumed before it is decoded: a frame that ends the worker must not be the first thing the next one meets.
    const length = reader.take(scratch);
    // Frames of one session after the other mostly have one length, and need no view each.
    if (frameView.length !== length || frameView.buffer !== scratch.buffer) {
      frameView = scratch.subarray(0, length);
    }
    const frame = frameView;
    if (context.poison !== undefined && Buffer.compare(frame, context.poison) === 0) {
      throw new Error("poisoned frame");
    }
    const pcm = this.#decode(frame);
    words.count("decoded");
    this.#heardAt = performance.now();
    if (pcm.length === 0) return;
    recent.append(pcm);
    this.#heardSamples += pcm.length;
    this.#heardStamp = reader.stamp;
    this.#detector?.hear(pcm);
    // By what the record is, not by what comes in now: it may have waited while the format changed.
    if (this.#relays && !(this.#encodedOnly && this.#format.codec === "pcm")) this.#relay.send(pcm);
  }

  /** Times every sixteenth frame: looking at the clock costs a good part of what a short frame does. */
  #decode(frame: Uint8Array): Int16Array {
    if ((this.#reader.sequence & 15) !== 0) return this.#codec.decode(frame);
    const startMs = performance.now();
    const pcm = this.#codec.decode(frame);
    this.#decodeTimes.record((performance.now() - startMs) * 1000);
    return pcm;
  }

  #skipFrame(): void {
    const { length } = this.#reader;
    this.#countBytes(length);
    this.#reader.drop();
    this.#codec.skipped(length);
  }

  #skipBytes(bytes: number): void {
    this.#countBytes(bytes);
    this.#codec.skipped(bytes);
  }

  #countBytes(bytes: number): void {
    if (this.#format.codec === "pcm" && (bytes & 1) === 1) this.#words.oddBytes = !this.#words.oddBytes;
  }

  /** Once a turn, not once a frame: sends back the rest of the PCM and says how far the audio reaches. */
  #passOn(): void {
    this.#relay.flush();
    if (this.#heardSamples === 0 || this.#recent === undefined) return;
    this.#heardSamples = 0;
    if (this.#speech !== undefined) this.#speech.audioUntil(this.#recent.written);
    // Nobody was to recognise this: a language that is wanted later begins with what comes then.
    else this.#recent.settle(this.#recent.written);
  }

  #openCodec(): Codec {
    return this.#context.shelf.open(this.#format, () => this.#words.count("undecodable"));
  }

  #openSpeech(recent: RecentAudio): LaneSpeech {
    const { workerId, providers, report, stages, stamp } = this.#context;
    const { slot, generation } = this;
    const id = `${workerId}.${slot}.${generation}.${this.#speeches++}`;
    const told = this.#told;
    this.#told = [];
    const toProvider = stages.of("to_provider");
    const onSent = () => toProvider.record(stampAgeMs(stamp(), this.#heardStamp) * 1000);
    const tell = (event: LaneSpeechReport) => {
      if (event.kind === "transcript")
        report({ kind: "transcript", slot, generation, transcript: event.transcript });
      else if (event.kind === "state") report({ kind: "speechState", slot, generation, state: event.state });
      else report({ kind: "lost", slot, generation, samples: event.samples });
    };
    return new LaneSpeech(id, recent, providers(), tell, told, onSent);
  }

  #openDetector(recent: RecentAudio): VoiceDetector {
    const detector = this.#context.detectors.open(
      {
        onVoiceStart: (sample) => this.#onVoiceStart(recent, sample),
        onVoiceEnd: (sample) => this.#onVoiceEnd(recent, sample),
      },
      recent.written,
    );
    this.#heardAt = performance.now();
    this.#spokenUntil = 0;
    if (this.#resumeFrom !== undefined) {
      // Only the low 32 bits were kept, and speech that is still going on began a short while ago.
      const began = recent.written - ((recent.written - this.#resumeFrom) >>> 0);
      // What is not settled yet is heard again anyway, up to here; this must not overlap with it.
      const inherited = recent.settled > 0;
      this.#resumeFrom = inherited
        ? recent.written
        : Math.max(0, began, recent.written - recent.capacitySamples);
      detector.begin();
      this.#resumeFrom = undefined;
    }
    return detector;
  }

  #closeDetector(): void {
    this.#detector?.end();
    this.#detector?.close();
    this.#detector = undefined;
  }

  #onVoiceStart(recent: RecentAudio, sample: number): void {
    const withPreroll = sample - this.#context.prerollMs * samplesPerMs;
    const start =
      this.#resumeFrom ??
      Math.max(0, withPreroll, this.#spokenUntil, recent.written - recent.capacitySamples);
    this.#words.setSpeaking(true, start);
    this.#speech?.voiceStart(start);
    this.#context.report({
      kind: "voice",
      slot: this.slot,
      generation: this.generation,
      active: true,
      sample,
    });
  }

  #onVoiceEnd(recent: RecentAudio, sample: number): void {
    this.#spokenUntil = recent.written;
    this.#words.setSpeaking(false, 0);
    this.#speech?.voiceEnd(recent.written);
    this.#context.report({
      kind: "voice",
      slot: this.slot,
      generation: this.generation,
      active: false,
      sample,
    });
  }

  async #finish(deadline: number): Promise<void> {
    this.#phase = { kind: "finished" };
    this.#closeDetector();
    this.#codec.close();
    this.#recent = undefined;
    await this.#speech?.close(Math.max(0, deadline - performance.now()));
    this.#context.report({ kind: "closed", slot: this.slot, generation: this.generation });
  }
}

let scratch = new Uint8Array(8192);
let frameView = scratch.subarray(0, 0);
