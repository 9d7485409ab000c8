import type {
  SpeechEvent,
  SpeechProvider,
  SpeechSink,
  SpeechStream,
  SpeechStreamOptions,
} from "../../workers/stt/provider.ts";

/** One stream as it was opened, and everything asked of it. */
export class FakeSpeechStream implements SpeechStream {
  readonly calls: string[] = [];
  readonly options: SpeechStreamOptions;
  readonly #sink: SpeechSink;
  readonly #drained = Promise.withResolvers<void>();

  constructor(options: SpeechStreamOptions, sink: SpeechSink) {
    this.options = options;
    this.#sink = sink;
  }

  /** Lets the stream report something. */
  emit(event: SpeechEvent): void {
    this.#sink.onEvent(event);
  }

  hear(kind: "interim" | "final", text: string, startMs: number, endMs: number): void {
    this.emit({ kind, text, startSample: startMs * 16, endSample: endMs * 16 });
  }

  /** Ends a `close` that waits for the last words. */
  drain(): void {
    this.#drained.resolve();
  }

  voiceStart(sample: number): void {
    this.calls.push(`voiceStart ${sample}`);
  }

  audioUntil(sample: number): void {
    this.calls.push(`audioUntil ${sample}`);
  }

  voiceEnd(sample: number): void {
    this.calls.push(`voiceEnd ${sample}`);
  }

  close(): Promise<void> {
    this.calls.push("close");
    return this.#drained.promise;
  }
}

/** A provider whose streams say what the test tells them to. */
export class FakeSpeechProvider implements SpeechProvider {
  readonly id = "fake";
  readonly streams: FakeSpeechStream[] = [];
  readonly #languages: readonly string[];

  constructor(languages: readonly string[]) {
    this.#languages = languages;
  }

  supports(language: string): boolean {
    return this.#languages.includes(language);
  }

  open(options: SpeechStreamOptions, sink: SpeechSink): FakeSpeechStream {
    const stream = new FakeSpeechStream(options, sink);
    this.streams.push(stream);
    return stream;
  }

  async close(): Promise<void> {}

  /** The stream opened last, or the one of this language opened last. */
  latest(language?: string): FakeSpeechStream {
    const stream = this.streams.findLast(
      (each) => language === undefined || each.options.language === language,
    );
    if (stream === undefined) throw new Error("no stream was opened");
    return stream;
  }
}
