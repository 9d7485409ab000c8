import { type RecentAudio, samplesPerMs } from "../../../src/audio/recent-audio.ts";
import type { Clock } from "../../../src/kernel/clock.ts";
import type { Stop } from "../../../src/kernel/stop.ts";
import type { VoiceSegments } from "../../pocketsphinx/voice-segments.ts";
import type { Listening } from "./listening.ts";
import type { OpenTicket } from "./open-gate.ts";
import type { CloudConnection, ConnectionEvent, ConnectionFailure } from "./vendor.ts";
import type { VendorDesk } from "./vendor-desk.ts";

const connectMs = 4_000;
const chunkMs = 100;
/** Silence sent after speech, so that the service hears the end of it. */
const trailingSamples = 1_000 * samplesPerMs;
/** So long after the end of speech the service is asked for the words that are pending. */
const finalizeMs = 300;
/** No more audio comes when so long after the end of speech there is not enough of it for that. */
const flushMs = finalizeMs + 1.5 * chunkMs;
/** Speech sent for so long and nothing heard back: the connection is no good. */
const stallMs = 6_000;
const stalledBytes = 256 * 1024;
/** Audio arrives in bursts: so much of a pause may be made up for at once. */
const paceSlackMs = 200;
/** Played again from before the place where the last final ended. */
export const marginSamples = 200 * samplesPerMs;

/** What a link needs of its stream. */
export interface LinkStream {
  readonly clock: Clock;
  readonly recent: RecentAudio;
  readonly segments: VoiceSegments;
  readonly onSent?: () => void;
}

export interface LinkSink {
  onOpen(link: CloudLink): void;
  onEvent(link: CloudLink, event: ConnectionEvent): void;
  /** The link has ended by itself, or (without a failure) was turned away at the gate. Not called after `close`. */
  onEnd(link: CloudLink, failure: ConnectionFailure | undefined): void;
}

/** One connection of one stream: connects, sends what is speech at the pace allowed, and notices when nothing comes back. */
export class CloudLink {
  readonly desk: VendorDesk;
  /** What it was asked to listen for. */
  readonly listening: Listening;
  readonly #stream: LinkStream;
  readonly #sink: LinkSink;
  readonly #abort = new AbortController();
  readonly #chunk: Int16Array;
  readonly #ticket: OpenTicket | undefined;
  #phase: "waiting" | "connecting" | "open" | "ended" = "waiting";
  #connection: CloudConnection | undefined;
  #isProbe = false;
  #hasStalled = false;
  #stopTimeout: Stop | undefined;
  #stopPace: Stop | undefined;
  #cursor: number | undefined;
  #lead = marginSamples;
  #nextSendMs = 0;
  #openedMs = 0;
  #sentMs = 0;
  #keptAliveMs = 0;
  /** Since when speech has been sent without a sign of life. */
  #unansweredMs: number | undefined;
  /** End of the last speech whose pending words were asked for. */
  #finalized = 0;
  #speechEndedMs = 0;

  constructor(desk: VendorDesk, stream: LinkStream, listening: Listening, sink: LinkSink) {
    this.desk = desk;
    this.listening = listening;
    this.#stream = stream;
    this.#sink = sink;
    const { minChunkMs, maxChunkMs } = desk.vendor.capabilities;
    this.#chunk = new Int16Array(Math.min(maxChunkMs, Math.max(minChunkMs, chunkMs)) * samplesPerMs);
    this.#ticket = desk.gate.request(() => this.#connect());
  }

  get isOpen(): boolean {
    return this.#phase === "open";
  }

  /** Whether it still waits for its turn to connect. */
  get isWaiting(): boolean {
    return this.#phase === "waiting";
  }

  /** Whether speech was sent a long while ago and nothing has come back. */
  get isStalled(): boolean {
    return this.#unansweredMs !== undefined && this.#stream.clock.now() - this.#unansweredMs >= stallMs;
  }

  /** Whether it ended because nothing came back. */
  get hasStalled(): boolean {
    return this.#hasStalled;
  }

  /** Number of the sample that is sent next. */
  get cursor(): number {
    return this.#cursor ?? 0;
  }

  /** Whether the service is close to ending the connection for its age. */
  get isOld(): boolean {
    const { maxSessionMs } = this.desk.vendor.capabilities;
    return (
      maxSessionMs !== undefined &&
      this.isOpen &&
      this.#stream.clock.now() - this.#openedMs > maxSessionMs * 0.95
    );
  }

  /** Begins to send from `sample` on: what is speech, and up to `lead` samples before it. */
  begin(sample: number, lead = marginSamples): void {
    this.#cursor = Math.max(0, sample);
    this.#lead = lead;
    this.#unansweredMs = undefined;
    this.pump();
  }

  /** Audio has come, or speech has begun. */
  pump(): void {
    while (this.#phase === "open" && this.#step());
  }

  /** Speech has ended: the pending words are asked for, even if no more audio comes. */
  speechEnded(): void {
    const { clock } = this.#stream;
    this.#speechEndedMs = clock.now();
    clock.after(flushMs, () => this.pump());
  }

  /** Looks after the connection. To be called every second. */
  tick(): void {
    if (this.#phase !== "open") return;
    const now = this.#stream.clock.now();
    if (this.#isProbe && now - this.#openedMs > 2 * stallMs) this.#decide(() => this.desk.undecided());
    if (this.#stream.segments.first === undefined && this.#unansweredMs !== undefined) {
      // Another link has settled the speech: this one need not, but is to answer all the same.
      this.#unansweredMs = undefined;
      this.#connection?.finalize();
    }
    if (this.isStalled) {
      this.#hasStalled = true;
      this.#fail({ kind: "transient", detail: "speech was sent and nothing came back" });
      return;
    }
    const { keepAliveMs } = this.desk.vendor.capabilities;
    const quietSinceMs = Math.max(this.#sentMs, this.#openedMs, this.#keptAliveMs);
    if (keepAliveMs !== undefined && now - quietSinceMs >= keepAliveMs) {
      this.#keptAliveMs = now;
      this.#connection?.keepAlive();
    }
    this.pump();
  }

  /** Whether the words of all speech up to `sample` have been asked for. */
  hasFinalized(sample: number): boolean {
    return this.#finalized >= sample;
  }

  /** Ends the connection in good order. Nothing more is heard of it. */
  close(graceMs: number): void {
    if (this.#phase === "ended") return;
    if (this.#isProbe) this.#decide(() => this.desk.undecided());
    this.#end();
    this.#connection?.close(graceMs);
  }

  #connect(): void {
    if (this.desk.availableAtMs(this.listening.language) > this.#stream.clock.now()) {
      // It has fallen out of favour while this stream waited.
      queueMicrotask(() => this.#fail(undefined));
      return;
    }
    this.#phase = "connecting";
    this.#isProbe = this.desk.begin();
    const { clock } = this.#stream;
    this.#stopTimeout = clock.after(connectMs, () =>
      this.#fail({ kind: "transient", detail: `no connection within ${connectMs} ms` }),
    );
    this.#connection = this.desk.vendor.connect(
      { ...this.listening, signal: this.#abort.signal },
      {
        onOpen: () => this.#onOpen(),
        onEvent: (event) => this.#onEvent(event),
        onEnd: (failure) => this.#onEnd(failure),
      },
    );
  }

  #onOpen(): void {
    if (this.#phase !== "connecting") return;
    this.#phase = "open";
    this.#openedMs = this.#stream.clock.now();
    this.#stopTimeout?.();
    this.#sink.onOpen(this);
  }

  #onEvent(event: ConnectionEvent): void {
    if (this.#phase !== "open") return;
    if (event.kind === "settled" || (event.kind !== "heard" && event.text.trim() !== "")) {
      this.#decide(() => undefined);
      this.desk.answered();
    }
    const owed = this.#stream.segments.first;
    this.#unansweredMs = undefined;
    this.#sink.onEvent(this, event);
    const first = this.#stream.segments.first;
    if (owed !== undefined && first !== undefined && this.cursor > first.start) {
      this.#unansweredMs = this.#stream.clock.now();
    }
  }

  #onEnd(failure: ConnectionFailure | undefined): void {
    this.#ticket?.release();
    if (this.#phase === "ended") return;
    this.#fail(failure ?? { kind: "transient", detail: "the connection ended" });
  }

  #fail(failure: ConnectionFailure | undefined): void {
    if (this.#phase === "ended") return;
    this.#isProbe = false;
    this.#end();
    this.#connection?.close(0);
    this.#sink.onEnd(this, failure);
  }

  #end(): void {
    // A place in the queue is given back at once, a connection when it has really ended.
    if (this.#phase === "waiting") this.#ticket?.release();
    if (this.#phase === "connecting") this.#abort.abort();
    this.#phase = "ended";
    this.#stopTimeout?.();
    this.#stopPace?.();
  }

  #decide(tell: () => void): void {
    if (!this.#isProbe) return;
    this.#isProbe = false;
    tell();
  }

  /** Does the next thing that is due. False: there is nothing to do for now. */
  #step(): boolean {
    const { segments, recent, clock } = this.#stream;
    let cursor = this.#cursor;
    if (cursor === undefined) return false;
    const at = segments.all.findIndex(
      ({ end }) => end === undefined || this.cursor < end + trailingSamples || this.#finalized < end,
    );
    const segment = segments.all[at];
    if (segment === undefined) return false;
    if (segment.start - cursor > this.#lead) cursor = segment.start;
    cursor = Math.max(cursor, recent.written - recent.capacitySamples + this.#chunk.length);
    this.#cursor = cursor;
    const { end } = segment;
    const now = clock.now();
    const owesFinalize = end !== undefined && this.#finalized < end;
    if (owesFinalize) {
      const next = segments.all[at + 1]?.start;
      const dueSample = end + finalizeMs * samplesPerMs;
      if (next !== undefined && next < dueSample && cursor >= end) {
        this.#finalized = end;
        return true;
      }
      if (cursor >= dueSample) return this.#finalize(end);
    }
    const available = recent.written - cursor;
    const flush = owesFinalize && now - this.#speechEndedMs >= flushMs;
    if (available < this.#chunk.length) {
      if (!flush) return false;
      if (available <= 0) return this.#finalize(end);
    }
    if (now < this.#nextSendMs) {
      this.#stopPace?.();
      this.#stopPace = clock.at(this.#nextSendMs, () => this.pump());
      return false;
    }
    return this.#send(cursor, now, end);
  }

  #send(cursor: number, now: number, end: number | undefined): boolean {
    const { recent } = this.#stream;
    const { minChunkMs, maxReplaySpeed } = this.desk.vendor.capabilities;
    const copied = recent.read(cursor, this.#chunk);
    if (copied <= 0) return false;
    // Where audio stops short of the smallest message, silence fills it up.
    const length = Math.max(copied, Math.min(this.#chunk.length, minChunkMs * samplesPerMs));
    this.#chunk.fill(0, copied, length);
    this.#connection?.write(this.#chunk.slice(0, length), cursor);
    this.#stream.onSent?.();
    this.#cursor = cursor + copied;
    this.#sentMs = now;
    const paceMs = copied / samplesPerMs / maxReplaySpeed;
    this.#nextSendMs = Math.max(this.#nextSendMs, now - paceSlackMs) + paceMs;
    if (end === undefined || cursor < end) this.#unansweredMs ??= now;
    if ((this.#connection?.bufferedBytes ?? 0) > stalledBytes) {
      this.#fail({ kind: "transient", detail: "what was sent does not leave" });
    }
    return true;
  }

  #finalize(end: number): boolean {
    this.#finalized = end;
    this.#connection?.finalize();
    return true;
  }
}
