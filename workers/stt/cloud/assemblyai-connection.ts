import { StreamingTranscriber, type StreamingTranscriberParams } from "assemblyai";
import { sampleRate, samplesPerMs } from "../../../src/audio/recent-audio.ts";
import { openFailure, sessionFailure } from "./assemblyai-failure.ts";
import { AssemblyAiTurns, isTurn } from "./assemblyai-turns.ts";
import { ProviderTime } from "./provider-time.ts";
import type { CloudConnection, ConnectionEvent, ConnectionFailure, ConnectionSink } from "./vendor.ts";

/** One message holds about 100 ms. A shorter one than 50 or a longer one than 1000 ends the session. */
const messageSamples = 100 * samplesPerMs;
const leastSamples = 50 * samplesPerMs;
const mostSamples = 1_000 * samplesPerMs;
/** A socket whose other end does not answer the close is cut off after so long. */
const lingerMs = 2_000;

export type AssemblyAiCredential =
  | { readonly kind: "apiKey"; readonly apiKey: string }
  /** A temporary token is good for one connection only, so every connection asks for one. */
  | { readonly kind: "token"; readonly token: () => string | Promise<string> };

type SessionParams = Omit<StreamingTranscriberParams, "apiKey" | "token" | "channels">;
type Fields = Readonly<Record<string, unknown>>;

type State =
  | { readonly kind: "connecting"; readonly transcriber?: StreamingTranscriber }
  | { readonly kind: "open"; readonly transcriber: StreamingTranscriber }
  /** `Terminate` is sent; the last turns may still come. */
  | { readonly kind: "closing"; terminated: boolean }
  | { readonly kind: "ended" };

/** One session of the service. The SDK opens it, speaks its messages and ends it; it never opens a second one. */
export class AssemblyAiConnection implements CloudConnection {
  readonly #sink: ConnectionSink;
  readonly #signal: AbortSignal;
  readonly #time = new ProviderTime();
  readonly #turns: AssemblyAiTurns;
  /** Samples that do not make a message yet; the first is the session's `#pendingStart`. */
  readonly #pending = new Int16Array(mostSamples);
  #pendingSamples = 0;
  #pendingStart = 0;
  #state: State = { kind: "connecting" };
  #socket: Readonly<Record<string, unknown>> | undefined;

  constructor(
    params: SessionParams,
    credential: AssemblyAiCredential,
    signal: AbortSignal,
    sink: ConnectionSink,
  ) {
    this.#sink = sink;
    this.#turns = new AssemblyAiTurns(this.#time, params.formatTurns === true, (event) => this.#emit(event));
    this.#signal = signal;
    void this.#open({ ...params, sampleRate, encoding: "pcm_s16le", maxConnectionRetries: 0 }, credential);
    if (signal.aborted) queueMicrotask(this.#abandon);
    else signal.addEventListener("abort", this.#abandon);
  }

  get bufferedBytes(): number {
    if (this.#state.kind === "ended") return 0;
    const waiting = this.#socket?.["bufferedAmount"];
    return (typeof waiting === "number" ? waiting : 0) + this.#pendingSamples * 2;
  }

  write(pcm: Int16Array, startSample: number): void {
    if (this.#state.kind !== "open") return;
    // Behind a hole a new stretch of time begins, and one message must not span both sides.
    if (this.#pendingSamples > 0 && startSample !== this.#pendingStart + this.#pendingSamples) this.#flush();
    if (this.#pendingSamples === 0) this.#pendingStart = startSample;
    for (let at = 0; at < pcm.length; ) {
      const taken = pcm.subarray(at, at + mostSamples - this.#pendingSamples);
      this.#pending.set(taken, this.#pendingSamples);
      this.#pendingSamples += taken.length;
      at += taken.length;
      if (this.#pendingSamples >= messageSamples) this.#flush();
    }
  }

  keepAlive(): void {
    this.#attempt((transcriber) => transcriber.keepAlive());
  }

  finalize(): void {
    if (this.#state.kind !== "open") return;
    this.#flush();
    this.#turns.force();
    this.#attempt((transcriber) => transcriber.forceEndpoint());
  }

  close(graceMs: number): void {
    const state = this.#state;
    if (state.kind === "connecting") this.#abandon();
    if (state.kind !== "open") return;
    this.#flush();
    const closing: State = { kind: "closing", terminated: false };
    this.#state = closing;
    const done = () => {
      if (this.#state === closing) this.#end(undefined, closing.terminated);
    };
    // To the SDK, no time at all means for ever.
    state.transcriber.close(true, Math.max(1, graceMs)).then(done, done);
    this.#cutOffAfter(graceMs + lingerMs);
  }

  async #open(params: SessionParams, credential: AssemblyAiCredential): Promise<void> {
    try {
      const secret =
        credential.kind === "apiKey" ? { apiKey: credential.apiKey } : { token: await credential.token() };
      if (this.#state.kind !== "connecting") return;
      const transcriber = new StreamingTranscriber({ ...params, ...secret });
      this.#state = { kind: "connecting", transcriber };
      transcriber.on("error", (error) => {
        const code = "code" in error && typeof error.code === "number" ? error.code : undefined;
        // A socket that fails names no code, and its close follows.
        if (code !== undefined) this.#fail(sessionFailure(code, error.message));
      });
      transcriber.on("close", (code, reason) => this.#closed(code, reason));
      transcriber.on("turn", (turn) => this.#turns.hear(turn));
      const begun = transcriber.connect();
      this.#guard(transcriber);
      await begun;
      if (this.#state.kind !== "connecting") return;
      this.#state = { kind: "open", transcriber };
      this.#sink.onOpen();
    } catch (error) {
      if (this.#state.kind === "connecting") this.#fail(openFailure(error));
    }
  }

  /**
   * Stands between the socket and the SDK, which throws out of its handler, and so ends the whole thread, when a message
   * is not what it expects; and which writes warnings to the console and says nothing of the end of a session.
   */
  #guard(transcriber: StreamingTranscriber): void {
    const socket = transcriber["socket"];
    const inner = socket?.onmessage;
    if (socket === undefined || inner === null || inner === undefined) return;
    this.#socket = socket as unknown as Readonly<Record<string, unknown>>;
    socket.onmessage = (event: { readonly data: unknown }) => {
      const message = fieldsOf(event.data);
      if (message === undefined) {
        this.#emit({ kind: "heard" });
        return;
      }
      // Words that cannot be read are lost on this connection: another one is sent them again.
      if (message["type"] === "Turn" && !isTurn(message)) {
        this.#fail({ kind: "transient", detail: "told a turn that cannot be understood" });
        return;
      }
      if (message["type"] === "Termination" && this.#state.kind === "closing") this.#state.terminated = true;
      if (message["type"] !== "Turn" && !("error" in message)) this.#emit({ kind: "heard" });
      if (message["type"] !== "Warning") inner(event);
    };
  }

  #closed(code: number, reason: string): void {
    // While it is being closed the SDK itself tells when that is done.
    if (this.#state.kind === "open") this.#fail(sessionFailure(code, reason));
  }

  /** Sends what is pending, made long enough with silence that belongs to no time. */
  #flush(): void {
    const count = this.#pendingSamples;
    if (count === 0) return;
    this.#pendingSamples = 0;
    const length = Math.max(count, leastSamples);
    // A copy: the socket may still hold it when the next samples come.
    const message = new Int16Array(length);
    message.set(this.#pending.subarray(0, count));
    this.#attempt((transcriber) => {
      transcriber.sendAudio(message.buffer);
      this.#time.sent(this.#pendingStart, count);
      this.#time.padded(length - count);
    });
  }

  /** Does something that throws when the socket has gone, of which its close tells. */
  #attempt(send: (transcriber: StreamingTranscriber) => void): void {
    if (this.#state.kind !== "open") return;
    try {
      send(this.#state.transcriber);
    } catch {
      return;
    }
  }

  #emit(event: ConnectionEvent): void {
    if (this.#state.kind !== "ended" && this.#state.kind !== "connecting") this.#sink.onEvent(event);
  }

  /** Nobody wants the connection any more. */
  readonly #abandon = (): void => {
    const state = this.#state;
    if (state.kind === "ended" || state.kind === "closing") return;
    this.#end(undefined, false);
    if (state.transcriber !== undefined) this.#drop(state.transcriber);
  };

  #fail(failure: ConnectionFailure): void {
    const state = this.#state;
    if (state.kind === "ended") return;
    // It was to end, and has.
    this.#end(state.kind === "closing" ? undefined : failure, false);
    if ("transcriber" in state && state.transcriber !== undefined) this.#drop(state.transcriber);
  }

  #end(failure: ConnectionFailure | undefined, complete: boolean): void {
    this.#turns.close(complete);
    this.#state = { kind: "ended" };
    this.#signal.removeEventListener("abort", this.#abandon);
    this.#sink.onEnd(failure);
  }

  /** Ends the session at the service without waiting for it, since it is paid by time. */
  #drop(transcriber: StreamingTranscriber): void {
    transcriber.close(false).catch(() => {});
    this.#cutOffAfter(lingerMs);
  }

  /** Does not hold up the end of the thread. */
  #cutOffAfter(ms: number): void {
    const socket = this.#socket;
    const terminate = socket?.["terminate"];
    if (typeof terminate === "function") setTimeout(() => terminate.call(socket), ms).unref();
  }
}

/** A message as an object, or undefined where it is none or has no type. */
function fieldsOf(data: unknown): Fields | undefined {
  if (typeof data !== "string") return undefined;
  try {
    const parsed: unknown = JSON.parse(data);
    if (typeof parsed !== "object" || parsed === null) return undefined;
    return "type" in parsed && typeof parsed.type === "string" ? { ...parsed } : undefined;
  } catch {
    return undefined;
  }
}
