import type { SpeechWish } from "../../src/audio/lanes.ts";
import { type RecentAudio, samplesPerMs } from "../../src/audio/recent-audio.ts";
import type { SpeechState, Transcript } from "../../src/audio/speech.ts";
import { heardUntilMs, type ToldLanguage } from "../../src/audio/told-transcripts.ts";
import { limits } from "../../src/kernel/limits.ts";
import type { SpeechEvent, SpeechProvider, SpeechStream } from "./provider.ts";
import { UtteranceTrack } from "./utterance.ts";

export type LaneSpeechReport =
  | { readonly kind: "transcript"; readonly transcript: Transcript }
  | { readonly kind: "state"; readonly state: SpeechState }
  | { readonly kind: "lost"; readonly samples: number };

/** One language of the lane that a provider serves. */
interface LanguageStream {
  readonly stream: SpeechStream;
  readonly track: UtteranceTrack;
  /** Undefined until the provider has said how it stands. */
  state: SpeechState | undefined;
  settled: number;
}

/** A stream that opens in the middle of speech hears at most this much of what went before. */
const lateStartSamples = 5_000 * samplesPerMs;
const prerollSamples = limits.prerollMs * samplesPerMs;

/** Speech marked by the voice detector: from where, and to where once it has ended. */
interface Voice {
  readonly start: number;
  readonly end: number | undefined;
}

/**
 * All speech streams of one lane: one a language, opened and closed as the demand changes, each fed by the same voice
 * detector. Turns provider events into transcripts with ids and session times. Keeps the settled position of the recent
 * audio, from which a successor goes on when this thread dies.
 */
export class LaneSpeech {
  readonly #laneId: string;
  readonly #recent: RecentAudio;
  readonly #providers: readonly SpeechProvider[];
  readonly #report: (report: LaneSpeechReport) => void;
  readonly #onSent: (() => void) | undefined;
  readonly #streams = new Map<string, LanguageStream>();
  /** Languages that were demanded and cannot be served, with the reason. */
  readonly #unserved = new Map<string, string>();
  /** Streams no longer wanted whose last words are on their way. */
  readonly #draining = new Set<Promise<void>>();
  /** Where a stream of a language opened again may start: what came before belongs to the former one. */
  readonly #leftAt = new Map<string, number>();
  #opened = 0;
  #heardUntil = 0;
  #voice: Voice | undefined;
  /** What the lane's former thread had heard and not settled. */
  #inherited: { readonly start: number; readonly end: number } | undefined;
  /** And what that thread has told. */
  readonly #told: Map<string, ToldLanguage>;
  #reported: SpeechState | undefined;
  #closed: Promise<void> | undefined;
  #silenced = false;

  constructor(
    laneId: string,
    recent: RecentAudio,
    providers: readonly SpeechProvider[],
    report: (report: LaneSpeechReport) => void,
    told: readonly ToldLanguage[] = [],
    onSent?: () => void,
  ) {
    this.#told = new Map(told.map((one) => [one.language, one]));
    this.#laneId = laneId;
    this.#recent = recent;
    this.#providers = providers;
    this.#report = report;
    this.#onSent = onSent;
    const { settled, written } = recent;
    if (settled > 0 && settled < written) this.#inherited = { start: settled, end: written };
  }

  /** Opens streams for new languages and closes those no longer wanted. A language nobody serves is reported `off`. */
  setLanguages(languages: readonly string[], wishes: readonly SpeechWish[] = []): void {
    if (this.#closed !== undefined) return;
    const wanted = new Set(languages);
    for (const language of [...this.#streams.keys()]) if (!wanted.has(language)) this.#drop(language);
    this.#unserved.clear();
    for (const language of wanted) {
      const wish = wishes.find((each) => each.language === language);
      const known = this.#streams.get(language);
      if (known === undefined) this.#open(language, wish);
      else if (wish !== undefined) known.stream.setWish?.(wish);
    }
    if (this.#streams.size > 0) this.#inherited = undefined;
    // Nobody is going to end what was begun in a language that cannot be served any more.
    for (const { unfinished } of this.#told.values())
      this.#show(unfinished && { ...unfinished, isFinal: true });
    this.#told.clear();
    this.#reportState();
  }

  voiceStart(sample: number): void {
    this.#voice = { start: sample, end: undefined };
    for (const { stream } of this.#streams.values()) stream.voiceStart(sample);
  }

  audioUntil(sample: number): void {
    this.#heardUntil = sample;
    for (const { stream } of this.#streams.values()) stream.audioUntil(sample);
    this.#settleRecent(sample);
  }

  voiceEnd(sample: number): void {
    if (this.#voice !== undefined) this.#voice = { start: this.#voice.start, end: sample };
    for (const { stream } of this.#streams.values()) stream.voiceEnd(sample);
  }

  /** Audio received and not recognised yet, milliseconds, of each stream that owes words. */
  get lagsMs(): number[] {
    return [...this.#streams.values()].flatMap(({ stream: { owedFrom } }) =>
      owedFrom === undefined ? [] : [Math.round((this.#recent.written - owedFrom) / samplesPerMs)],
    );
  }

  /** Resolves when the pending words of all streams have been reported, or `drainMs` have passed. Safe to call twice. */
  close(drainMs: number): Promise<void> {
    this.#closed ??= this.#close(drainMs);
    return this.#closed;
  }

  async #close(drainMs: number): Promise<void> {
    for (const language of [...this.#streams.keys()]) this.#drop(language, drainMs);
    const timeUp = Promise.withResolvers<void>();
    const timer = setTimeout(timeUp.resolve, drainMs);
    await Promise.race([Promise.all(this.#draining), timeUp.promise]);
    clearTimeout(timer);
    this.#silenced = true;
    this.#recent.settle(this.#recent.written);
  }

  #open(language: string, wish: SpeechWish | undefined): void {
    const provider = this.#providers.find((candidate) => candidate.supports(language));
    if (provider === undefined) {
      this.#unserved.set(language, `no speech provider serves ${language}`);
      return;
    }
    if (this.#streams.size >= limits.languagesPerSession) {
      const bound = limits.languagesPerSession;
      this.#unserved.set(language, `${language} is one language more than the ${bound} of a session`);
      return;
    }
    const { written } = this.#recent;
    const told = this.#told.get(language);
    this.#told.delete(language);
    const earliest = this.#leftAt.get(language) ?? this.#inherited?.start ?? written - lateStartSamples;
    const toldUntil = (told?.untilMs ?? 0) * samplesPerMs;
    const fromSample = Math.max(0, earliest, toldUntil, written - this.#recent.capacitySamples);
    const track = new UtteranceTrack(language, provider.id, told);
    const unfinished = told?.unfinished;
    const shown = unfinished && {
      startSample: unfinished.startMs * samplesPerMs,
      endSample: heardUntilMs(unfinished) * samplesPerMs,
    };
    const streamId = `${this.#laneId}/${language}/${this.#opened++}`;
    const sink = { onEvent: (event: SpeechEvent) => this.#receive(opened, event) };
    const onSent = this.#onSent;
    const stream = provider.open(
      {
        streamId,
        language,
        recent: this.#recent,
        fromSample,
        ...(wish && { wish }),
        ...(shown && { shown }),
        ...(onSent && { onSent }),
      },
      sink,
    );
    const opened: LanguageStream = { stream, track, state: undefined, settled: fromSample };
    this.#streams.set(language, opened);
    if (this.#inherited !== undefined && fromSample < this.#inherited.end) {
      stream.voiceStart(Math.max(fromSample, this.#inherited.start));
      stream.voiceEnd(this.#inherited.end);
    } else if (unfinished !== undefined) this.#show(track.finish());
    if (this.#voice !== undefined && this.#voice.end === undefined) stream.voiceStart(this.#voice.start);
  }

  /** Closes a stream; its last words still come. */
  #drop(language: string, drainMs: number = limits.finalWordsMs): void {
    const dropped = this.#streams.get(language);
    if (dropped === undefined) return;
    this.#streams.delete(language);
    this.#leftAt.set(language, this.#recent.written);
    // The demand may change for ever, but only the last few languages can still be on their way.
    if (this.#leftAt.size > 2 * limits.languagesPerSession) {
      for (const oldest of this.#leftAt.keys()) {
        this.#leftAt.delete(oldest);
        break;
      }
    }
    const drained = dropped.stream.close(drainMs).then(() => {
      this.#show(dropped.track.finish());
      this.#draining.delete(drained);
    });
    this.#draining.add(drained);
  }

  #receive(from: LanguageStream, event: SpeechEvent): void {
    switch (event.kind) {
      case "interim":
      case "final":
        this.#show(from.track.hear(event));
        return;
      case "settled":
        from.settled = Math.max(from.settled, event.sample);
        this.#show(from.track.settle(event.sample));
        // At once: what a successor of this thread heard again would be said twice.
        this.#settleRecent(this.#heardUntil);
        return;
      case "lost":
        if (!this.#silenced) this.#report({ kind: "lost", samples: event.samples });
        return;
      case "state":
        from.state = { state: event.state, detail: event.detail };
        this.#reportState();
    }
  }

  #show(transcript: Transcript | undefined): void {
    if (transcript !== undefined && !this.#silenced) this.#report({ kind: "transcript", transcript });
  }

  /** One state for the lane: the worst of its languages. Only said when it changes. */
  #reportState(): void {
    if (this.#closed !== undefined) return;
    const streams = [...this.#streams.values()];
    const off = [...this.#streams].flatMap(([language, { state }]) =>
      state?.state === "off" ? [{ language, detail: state.detail }] : [],
    );
    const unserved = [...this.#unserved].map(([language, detail]) => ({ language, detail })).concat(off);
    const worst =
      unserved.map(
        ({ detail }): SpeechState => ({
          state: "off",
          detail,
          unserved: unserved.map(({ language }) => language),
        }),
      )[0] ??
      streams.find(({ state }) => state?.state === "degraded")?.state ??
      streams.find(({ state }) => state?.state === "ready")?.state;
    if (worst === undefined) return;
    if (Bun.deepEquals(worst, this.#reported)) return;
    this.#reported = worst;
    this.#report({ kind: "state", state: worst });
  }

  /**
   * Moves the settled position of the recent audio: behind the slowest stream while there is speech to recognise, and a
   * pre-roll behind the present otherwise.
   */
  #settleRecent(sample: number): void {
    const voice = this.#voice;
    let settled = sample - (voice?.end === undefined && voice !== undefined ? 0 : prerollSamples);
    for (const stream of this.#streams.values()) {
      if (voice === undefined || (stream.state?.state === "off" && !stream.stream.keepsBacklog)) continue;
      const owes = voice.end === undefined || stream.settled < voice.end;
      if (owes) settled = Math.min(settled, stream.settled);
    }
    // Words that are in a final already do not belong to the pre-roll of what comes next.
    const heard = Math.min(...[...this.#streams.values()].map((stream) => stream.settled), sample);
    if (this.#streams.size > 0) settled = Math.max(settled, heard);
    // At 0 a successor would take the audio for such that nobody has listened to.
    if (this.#streams.size > 0) settled = Math.max(1, settled);
    if (settled > this.#recent.settled) this.#recent.settle(settled);
  }
}
