import type { OfflineEngine, StreamCommand, StreamReport } from "../../src/audio/recogniser-commands.ts";
import { VoiceSegments } from "../pocketsphinx/voice-segments.ts";
import type {
  SpeechEvent,
  SpeechProvider,
  SpeechSink,
  SpeechStream,
  SpeechStreamOptions,
} from "./provider.ts";

/** English is what the offline models know; `auto` gets it as the best there is. */
const languages: readonly string[] = ["en-US", "auto"];

/**
 * An offline recogniser, seen from an audio worker: a thin end of the port to the recogniser's thread. All decoding
 * and all queueing happen over there. When that thread is replaced, `attach` opens every stream again from where its
 * speech was settled.
 */
export class PocketsphinxProvider implements SpeechProvider {
  readonly id: OfflineEngine;
  readonly #streams = new Map<string, PocketsphinxStream>();
  #port: MessagePort | undefined;
  #availability: { readonly available: boolean; readonly detail: string } | undefined;

  /** @param id which engine works in the thread at the other end of the port. */
  constructor(port: MessagePort, id: OfflineEngine = "pocketsphinx") {
    this.id = id;
    this.attach(port);
  }

  /** Whether the recogniser works, with what or why not. Undefined until it has said so. */
  get availability(): { readonly available: boolean; readonly detail: string } | undefined {
    return this.#availability;
  }

  /** Goes on over another port, to a new recogniser thread. Open streams are opened there from where they had got to. */
  attach(port: MessagePort): void {
    this.#port?.close();
    this.#port = port;
    port.addEventListener("message", (event) => {
      if (port === this.#port) this.#receive((event as MessageEvent<StreamReport>).data);
    });
    port.addEventListener("close", () => {
      if (port !== this.#port) return;
      const detail = "the recogniser has stopped and is started again";
      for (const stream of this.#streams.values())
        stream.receive({ kind: "state", state: "degraded", detail });
    });
    port.start();
    for (const stream of this.#streams.values()) stream.reopen();
  }

  supports(language: string): boolean {
    return languages.includes(language);
  }

  open(options: SpeechStreamOptions, sink: SpeechSink): SpeechStream {
    const send = (command: StreamCommand) => this.#port?.postMessage(command);
    const forget = () => this.#streams.delete(options.streamId);
    const stream = new PocketsphinxStream(options, sink, send, forget);
    this.#streams.set(options.streamId, stream);
    stream.reopen();
    return stream;
  }

  async close(): Promise<void> {
    for (const stream of [...this.#streams.values()]) stream.finish();
    this.#port?.close();
    this.#port = undefined;
  }

  #receive(report: StreamReport): void {
    if (report.kind === "availability") {
      this.#availability = { available: report.available, detail: report.detail };
      return;
    }
    // A stream that did not wait for its last words is gone, and its late reports with it.
    const stream = this.#streams.get(report.streamId);
    if (stream === undefined) return;
    if (report.kind === "closed") stream.finish();
    else stream.receive(report);
  }
}

/** Remembers the voice that is not settled yet, so that a new recogniser thread can be told of it. */
class PocketsphinxStream implements SpeechStream {
  readonly #options: SpeechStreamOptions;
  readonly #sink: SpeechSink;
  readonly #send: (command: StreamCommand) => void;
  readonly #forget: () => void;
  readonly #segments: VoiceSegments;
  readonly #finished = Promise.withResolvers<void>();
  #phase: "open" | "closing" | "finished" = "open";

  constructor(
    options: SpeechStreamOptions,
    sink: SpeechSink,
    send: (command: StreamCommand) => void,
    forget: () => void,
  ) {
    this.#options = options;
    this.#sink = sink;
    this.#send = send;
    this.#forget = forget;
    this.#segments = new VoiceSegments(options.fromSample);
  }

  get owedFrom(): number | undefined {
    return this.#segments.first?.start;
  }

  /** Opens the stream at the other end and tells it of all voice that is still to be recognised. */
  reopen(): void {
    const { streamId, recent } = this.#options;
    this.#send({ kind: "open", streamId, recent: recent.buffer, fromSample: this.#segments.settled });
    for (const { start, end } of this.#segments.all) {
      this.#send({ kind: "voiceStart", streamId, sample: start });
      if (end !== undefined) this.#send({ kind: "voiceEnd", streamId, sample: end });
    }
    if (this.#phase === "closing") this.#send({ kind: "close", streamId });
  }

  receive(event: SpeechEvent): void {
    if (event.kind === "settled") this.#segments.settle(event.sample);
    this.#sink.onEvent(event);
  }

  /** The other end is done with the stream, or gone for good. */
  finish(): void {
    this.#phase = "finished";
    this.#forget();
    this.#finished.resolve();
  }

  voiceStart(sample: number): void {
    if (this.#phase !== "open") return;
    this.#segments.start(sample);
    this.#send({ kind: "voiceStart", streamId: this.#options.streamId, sample });
  }

  audioUntil(sample: number): void {
    // In silence there is nothing to look for, and a message for every sweep of every session would be much.
    if (this.#phase !== "open" || this.#segments.first === undefined) return;
    this.#send({ kind: "audioUntil", streamId: this.#options.streamId, sample });
  }

  voiceEnd(sample: number): void {
    if (this.#phase !== "open") return;
    this.#segments.end(sample);
    this.#send({ kind: "voiceEnd", streamId: this.#options.streamId, sample });
  }

  async close(drainMs: number): Promise<void> {
    if (this.#phase === "open") {
      this.#phase = "closing";
      this.#segments.end(this.#options.recent.written);
      this.#send({ kind: "close", streamId: this.#options.streamId });
    }
    if (this.#phase === "closing") {
      // The audio is lent to another session next: nobody may go on reading it.
      const timer = setTimeout(() => {
        this.#send({ kind: "drop", streamId: this.#options.streamId });
        this.finish();
      }, drainMs);
      await this.#finished.promise;
      clearTimeout(timer);
    }
  }
}
