import type { SpeechWish } from "../../../src/audio/lanes.ts";
import { samplesPerMs } from "../../../src/audio/recent-audio.ts";
import type { Clock } from "../../../src/kernel/clock.ts";
import type { Stop } from "../../../src/kernel/stop.ts";
import { VoiceSegments } from "../../pocketsphinx/voice-segments.ts";
import type {
  SpeechEvent,
  SpeechProvider,
  SpeechSink,
  SpeechStream,
  SpeechStreamOptions,
} from "../provider.ts";
import { CloudLink, marginSamples } from "./cloud-link.ts";
import { Election } from "./election.ts";
import { HeardSoFar } from "./heard-so-far.ts";
import type { Heard } from "./heard-words.ts";
import { type Listening, listeningFor } from "./listening.ts";
import type { SpeechTally } from "./speech-tally.ts";
import type { ConnectionEvent, ConnectionFailure } from "./vendor.ts";
import type { VendorDesk } from "./vendor-desk.ts";

export interface SupervisedStreamOptions extends SpeechStreamOptions {
  readonly clock: Clock;
  readonly desks: readonly VendorDesk[];
  /** The offline recognisers that serve the language at the moment. */
  readonly offline: () => readonly SpeechProvider[];
  readonly tally: SpeechTally;
  /** In [0, 1). */
  readonly random: () => number;
  /** For the negative control of the proof: what was not recognised is not played again. */
  readonly replay: boolean;
  readonly onClosed: () => void;
}

const tickMs = 1_000;
const idleMs = 60_000;
/** The same for a connection that others wait for. */
const awaitedIdleMs = 2_000;
const returnMs = 30_000;
const drainWordsMs = 1_500;
/** What may be left of a speech after its last final: the time the voice detector takes to hear its end. */
const tailSamples = 1_000 * samplesPerMs;
/** So much of the final before it is played again with a tail that may hold words: whoever works has something to answer. */
const doubtSamples = 1_000 * samplesPerMs;
const skipSamples = 1_000 * samplesPerMs;
/** The oldest second of the recent audio is about to be overwritten. */
const reserveSamples = 1_000 * samplesPerMs;

/** An offline recogniser that has taken over. */
interface OfflineLink {
  readonly provider: SpeechProvider;
  readonly stream: SpeechStream;
}

type Elected =
  | { readonly kind: "none" }
  | { readonly kind: "cloud"; readonly link: CloudLink }
  | { readonly kind: "offline"; readonly link: OfflineLink };

/**
 * Speech of one session in one language, by whichever provider works. Whoever is elected hears all speech from the last
 * settled sample on, so that a change of provider, or a new connection to the same, neither loses nor repeats a word.
 */
export class SupervisedStream implements SpeechStream {
  readonly keepsBacklog = true;
  readonly segments: VoiceSegments;
  readonly #options: SupervisedStreamOptions;
  readonly #sink: SpeechSink;
  readonly #election: Election;
  readonly #stopTick: Stop;
  #elected: Elected = { kind: "none" };
  /** Takes over at the next pause: a probe of a better provider, or the successor of a connection that gets old. */
  #spare: { readonly link: CloudLink; readonly why: "failed_over" | "rotated"; proven: boolean } | undefined;
  #wish: SpeechWish | undefined;
  #lastProvider: string | undefined;
  #switchedMs = 0;
  #voiceMs: number;
  readonly #heard: HeardSoFar;
  /** Connections that have had nothing to say of the speech that begins at `at`. */
  #mute = { at: -1, links: 0 };
  #state = "";
  #phase: "open" | "closing" | "closed" = "open";
  /** Offline recognisers that have said that they cannot. */
  readonly #unfit = new Set<SpeechProvider>();
  readonly #closed = Promise.withResolvers<void>();

  constructor(options: SupervisedStreamOptions, sink: SpeechSink) {
    this.#options = options;
    this.#sink = sink;
    this.#wish = options.wish;
    this.#heard = new HeardSoFar(options.fromSample, options.shown);
    this.#voiceMs = options.clock.now();
    this.segments = new VoiceSegments(options.fromSample);
    this.#election = new Election({
      clock: options.clock,
      desks: options.desks,
      language: options.language,
      random: options.random,
      open: (desk) => this.#connect(desk),
      onWon: (link) => this.#elect(link),
      onHopeless: (detail) => this.#electOffline(detail),
      hasOffline: () => this.#offline !== undefined,
    });
    this.#stopTick = options.clock.every(tickMs, () => this.#tick());
    queueMicrotask(() => this.reconsider());
  }

  get owedFrom(): number | undefined {
    return this.segments.first?.start;
  }

  get isServed(): boolean {
    return !this.#state.startsWith("off");
  }

  /** Whom to trust has changed. */
  reconsider(): void {
    if (this.#phase === "closed") return;
    if (this.#elected.kind === "none") {
      const { desks, language } = this.#options;
      if (this.#owes) this.#election.run();
      else if (this.#offline !== undefined || desks.some((desk) => desk.serves(language)))
        this.#say("ready", "speech is connected when somebody speaks");
      else this.#say("off", this.#election.describe());
    }
  }

  setWish(wish: SpeechWish): void {
    this.#wish = wish;
  }

  voiceStart(sample: number): void {
    if (this.#phase !== "open") return;
    this.segments.start(sample);
    this.#voiceMs = this.#options.clock.now();
    if (this.#elected.kind === "offline") this.#elected.link.stream.voiceStart(sample);
    this.#pump();
    if (this.#elected.kind === "none") this.#election.run();
  }

  audioUntil(sample: number): void {
    if (this.#phase !== "open") return;
    if (this.#owes) this.#voiceMs = this.#options.clock.now();
    this.#skipAhead(sample);
    if (this.#elected.kind === "offline") this.#elected.link.stream.audioUntil(sample);
    this.#pump();
  }

  voiceEnd(sample: number): void {
    if (this.#phase !== "open") return;
    this.#endVoice(sample);
  }

  close(drainMs: number): Promise<void> {
    if (this.#phase === "open") {
      this.#phase = "closing";
      this.#endVoice(this.#options.recent.written);
      if (!this.#owes) this.#finish();
      else this.#options.clock.after(Math.min(drainMs, drainWordsMs), () => this.#finish());
    }
    return this.#closed.promise;
  }

  get #owes(): boolean {
    return this.segments.first !== undefined;
  }

  get #offline(): SpeechProvider | undefined {
    return this.#options.offline().find((provider) => !this.#unfit.has(provider));
  }

  #endVoice(sample: number): void {
    this.segments.end(sample);
    if (this.#elected.kind === "offline") this.#elected.link.stream.voiceEnd(sample);
    if (this.#elected.kind === "cloud") this.#elected.link.speechEnded();
    this.#spare?.link.speechEnded();
    this.#pump();
  }

  #pump(): void {
    if (this.#elected.kind === "cloud") this.#elected.link.pump();
    this.#spare?.link.pump();
  }

  /** How a provider is to listen as things are now. */
  #listening(desk: VendorDesk): Listening {
    const { language, clock } = this.#options;
    const anyLanguage = desk.vendor.supports("auto") && desk.availableAtMs("auto") <= clock.now();
    return listeningFor(language, this.#wish, anyLanguage);
  }

  #connect(desk: VendorDesk): CloudLink {
    const { clock, recent, onSent } = this.#options;
    const parts = { clock, recent, segments: this.segments, ...(onSent && { onSent }) };
    return new CloudLink(desk, parts, this.#listening(desk), {
      onOpen: (link) => this.#onOpen(link),
      onEvent: (link, event) => this.#onEvent(link, event),
      onEnd: (link, failure) => this.#onEnd(link, failure),
    });
  }

  #onOpen(link: CloudLink): void {
    if (link === this.#spare?.link) {
      if (this.#spare.why === "failed_over") link.begin(this.#options.recent.written);
      else this.#adoptSpare();
    } else this.#election.opened(link);
  }

  #elect(link: CloudLink): void {
    this.#elected = { kind: "cloud", link };
    this.#noteProvider(link.desk.id);
    this.#say("ready", link.desk.id);
    const { replay, recent } = this.#options;
    const from = this.segments.first?.start ?? recent.written;
    const lead = this.#mute.at === from && this.#heard.hasFinalUntil(from) ? doubtSamples : marginSamples;
    link.begin(replay ? from - lead : recent.written, lead);
    if (this.segments.all.some(({ end }) => end !== undefined)) link.speechEnded();
  }

  /** No cloud provider can be had: the offline recogniser takes over, or nobody. */
  #electOffline(detail: string): void {
    const provider = this.#offline;
    if (provider === undefined) {
      this.#say("off", detail);
      return;
    }
    this.#election.stop();
    const { streamId, language, recent } = this.#options;
    const sink = { onEvent: (event: SpeechEvent) => this.#onOffline(link, event) };
    const fromSample = this.segments.first?.start ?? recent.written;
    const stream = provider.open({ streamId, language, recent, fromSample }, sink);
    const link: OfflineLink = { provider, stream };
    this.#elected = { kind: "offline", link };
    this.#noteProvider(provider.id);
    for (const { start, end } of this.segments.all) {
      stream.voiceStart(start);
      if (end !== undefined) stream.voiceEnd(end);
    }
  }

  #onOffline(link: OfflineLink, event: SpeechEvent): void {
    if (this.#elected.kind !== "offline" || this.#elected.link !== link) return;
    switch (event.kind) {
      case "interim":
      case "final":
        this.#onHeard(event, link.provider.id);
        return;
      case "settled":
        this.#settle(event.sample);
        return;
      case "lost":
        this.#lose(event.samples, link.provider.id);
        return;
      case "state":
        if (event.state === "off") {
          this.#unfit.add(link.provider);
          this.#options.clock.after(returnMs, () => this.#unfit.delete(link.provider));
          this.#dropElected();
          if (this.#owes) this.#election.run();
          else this.reconsider();
        } else this.#say(event.state, event.detail);
    }
  }

  #onEvent(link: CloudLink, event: ConnectionEvent): void {
    if (this.#spare?.link === link) {
      // A final shows that the provider works; an interim after it, that it is in the middle of something.
      if (event.kind === "interim") this.#spare.proven = false;
      if (event.kind === "final" && event.text.trim() !== "") this.#spare.proven = true;
      return;
    }
    if (this.#elected.kind !== "cloud" || this.#elected.link !== link || event.kind === "heard") return;
    this.#election.forgive(link.desk);
    if (event.kind === "settled") this.#settle(Math.min(event.sample, link.cursor));
    else this.#onHeard({ ...event, endSample: Math.min(event.endSample, link.cursor) }, link.desk.id);
  }

  #onHeard(heard: Heard, provider: string): void {
    const fresh = this.#heard.hear(heard);
    if (fresh !== undefined) this.#sink.onEvent({ ...fresh, provider });
    if (heard.kind === "final") this.#settle(Math.min(heard.endSample, this.#heard.finalEnd));
  }

  #settle(sample: number): void {
    if (sample <= this.segments.settled) return;
    this.#heard.settle(sample);
    this.segments.settle(sample);
    this.#sink.onEvent({ kind: "settled", sample });
    if (this.#owes) return;
    if (this.#phase === "closing") this.#finish();
    else this.#onPause();
  }

  #onEnd(link: CloudLink, failure: ConnectionFailure | undefined): void {
    if (failure !== undefined) link.desk.failed(failure, link.listening.language);
    if (this.#spare?.link === link) {
      this.#spare = undefined;
      this.#switchedMs = this.#options.clock.now();
      return;
    }
    if (this.#elected.kind !== "cloud" || this.#elected.link !== link) {
      this.#election.lost(link, failure);
      return;
    }
    this.#elected = { kind: "none" };
    this.#dropSpare();
    if (link.hasStalled && this.#giveUpOnSilence(link)) return;
    this.#election.lost(link, failure);
    if (this.#owes) this.#election.run();
    else this.reconsider();
  }

  /** Some speech is none: a door that slams. When nobody has a word to say of it, it is left, and counted. */
  #giveUpOnSilence(link: CloudLink): boolean {
    const first = this.segments.first;
    if (first?.end === undefined) return false;
    if (this.#mute.at === first.start) this.#mute.links++;
    else this.#mute = { at: first.start, links: 1 };
    if (this.#mute.links <= this.#options.desks.length || this.#heard.shownEnd > 0) return false;
    this.#lose(first.end - first.start, link.desk.id);
    this.#settle(first.end);
    return !this.#owes;
  }

  #tick(): void {
    if (this.#phase === "closed") return;
    this.#skipAhead(this.#options.recent.written);
    const elected = this.#elected;
    if (elected.kind === "cloud") {
      this.#doubtTail(elected.link);
      elected.link.tick();
    }
    this.#spare?.link.tick();
    if (this.#phase !== "open") return;
    if (!this.#owes) this.#onPause();
    else if (this.#spare === undefined) this.#seekBetter();
  }

  /**
   * After the last final of a speech a little is left, of which many services have nothing more to say. But one that has
   * fallen silent for good says nothing of last words either. So another connection is asked, to which the end of that
   * final is played again: having words to hear, it answers if it works.
   */
  #doubtTail(link: CloudLink): void {
    const first = this.segments.first;
    if (first?.end === undefined || this.#heard.shownEnd > 0 || !link.hasFinalized(first.end)) return;
    if (!this.#heard.hasFinalUntil(first.start) || first.end - first.start > tailSamples) return;
    if (!link.isStalled || this.#mute.at === first.start) return;
    // No failure of the provider: most of the time there is nothing to say.
    this.#mute = { at: first.start, links: 1 };
    this.#dropElected();
    this.#dropSpare();
    this.#election.run();
  }

  /** Nobody speaks and no words are owed: the time to change connections. */
  #onPause(): void {
    if (this.#phase !== "open") return;
    const elected = this.#elected;
    const isAwaited = elected.kind === "cloud" && elected.link.desk.gate.waiting > 0;
    if (this.#options.clock.now() - this.#voiceMs >= (isAwaited ? awaitedIdleMs : idleMs)) {
      this.#dropElected();
      this.#dropSpare();
      this.#election.stop();
      return;
    }
    const spare = this.#spare;
    if (spare?.link.isOpen && (spare.proven || spare.why === "rotated")) this.#adoptSpare();
    else if (elected.kind === "cloud" && spare === undefined && this.#isOutdated(elected.link)) {
      this.#spare = { link: this.#connect(elected.link.desk), why: "rotated", proven: false };
    } else if (spare === undefined) this.#seekBetter();
  }

  /** Whether a connection is about to be ended for its age, or apps have come to want something else of it. */
  #isOutdated({ desk, isOld, isOpen, listening }: CloudLink): boolean {
    if (isOld) return true;
    const wanted = this.#listening(desk);
    const canOpen = desk.gate.hasRoom && desk.availableAtMs(wanted.language) <= this.#options.clock.now();
    return isOpen && canOpen && !Bun.deepEquals(wanted, listening);
  }

  /** A provider that stands before the elected one is tried with the words that come next. */
  #seekBetter(): void {
    const { clock, desks, language } = this.#options;
    if (this.#elected.kind === "none" || clock.now() - this.#switchedMs < returnMs) return;
    const own = this.#elected.kind === "cloud" ? desks.indexOf(this.#elected.link.desk) : desks.length;
    const now = clock.now();
    const better = desks
      .slice(0, own)
      .find((desk) => desk.availableAtMs(language) <= now && desk.gate.hasRoom);
    if (better === undefined) return;
    this.#spare = { link: this.#connect(better), why: "failed_over", proven: false };
  }

  #adoptSpare(): void {
    const spare = this.#spare;
    if (spare === undefined || this.#owes) return;
    this.#spare = undefined;
    this.#dropElected();
    this.#elected = { kind: "cloud", link: spare.link };
    if (spare.why === "rotated") {
      this.#options.tally.count("rotated", spare.link.desk.id);
      spare.link.begin(this.#options.recent.written);
    }
    this.#noteProvider(spare.link.desk.id);
    this.#say("ready", spare.link.desk.id);
  }

  #dropElected(): void {
    const elected = this.#elected;
    this.#elected = { kind: "none" };
    if (elected.kind === "cloud") elected.link.close(drainWordsMs);
    if (elected.kind === "offline") void elected.link.stream.close(0);
  }

  #dropSpare(): void {
    this.#spare?.link.close(0);
    this.#spare = undefined;
  }

  /** Audio that is about to be overwritten is given up, so that what comes after it is heard. */
  #skipAhead(written: number): void {
    const oldest = written - this.#options.recent.capacitySamples + reserveSamples;
    const first = this.segments.first;
    if (first === undefined || first.start >= oldest) return;
    // What is shown of it is kept, and counts as heard. A second at a time: fewer and longer gaps.
    const to = Math.max(Math.min(oldest + skipSamples, written), this.#heard.shownEnd);
    let samples = 0;
    for (const { start, end = to } of this.segments.all) {
      samples += Math.max(0, Math.min(end, to) - Math.max(start, this.#heard.shownEnd));
    }
    const provider = this.#lastProvider ?? "none";
    this.#options.tally.count("skipped", provider);
    if (samples > 0) this.#lose(samples, provider);
    this.#settle(to);
  }

  #lose(samples: number, provider: string): void {
    this.#options.tally.count("lost", provider, "", samples / samplesPerMs);
    this.#sink.onEvent({ kind: "lost", samples });
  }

  #noteProvider(id: string): void {
    this.#switchedMs = this.#options.clock.now();
    if (this.#lastProvider !== undefined && this.#lastProvider !== id) {
      this.#options.tally.count("failed_over", id);
    }
    this.#lastProvider = id;
  }

  #say(state: "ready" | "degraded" | "off", detail: string): void {
    const said = `${state} ${detail}`;
    if (said === this.#state || this.#phase === "closed") return;
    this.#state = said;
    this.#sink.onEvent({ kind: "state", state, detail });
  }

  #finish(): void {
    if (this.#phase === "closed") return;
    const { written } = this.#options.recent;
    for (const { start, end = written } of this.segments.all) {
      const samples = end - Math.max(start, this.#heard.shownEnd);
      if (samples > 0) this.#lose(samples, this.#lastProvider ?? "none");
    }
    this.#phase = "closed";
    this.#stopTick();
    this.#election.stop();
    this.#dropElected();
    this.#dropSpare();
    this.#options.onClosed();
    this.#closed.resolve();
  }
}
