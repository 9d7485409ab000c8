import type {
  CloudConnection,
  CloudVendor,
  ConnectionEvent,
  ConnectionFailure,
  ConnectOptions,
} from "../../workers/stt/cloud/vendor.ts";
import { countersIn } from "./counted-audio.ts";
import { EventLog } from "./event-log.ts";

export type Reported =
  | { readonly kind: "open" }
  | ConnectionEvent
  | { readonly kind: "end"; readonly failure: ConnectionFailure | undefined };

type Utterance = Extract<ConnectionEvent, { readonly text: string }>;

/** Samples of 100 ms, the message that suits every vendor. */
const messageSamples = 1_600;

/** One connection of a cloud vendor, with everything it has reported. */
export class RecordedConnection {
  readonly log = new EventLog<Reported>();
  readonly connection: CloudConnection;
  readonly #abort = new AbortController();

  constructor(vendor: CloudVendor, options: Partial<ConnectOptions> = {}) {
    this.connection = vendor.connect(
      {
        language: "en-US",
        hints: [],
        identifyLanguage: false,
        keyterms: [],
        signal: this.#abort.signal,
        ...options,
      },
      {
        onOpen: () => this.log.add({ kind: "open" }),
        onEvent: (event) => this.log.add(event),
        onEnd: (failure) => this.log.add({ kind: "end", failure }),
      },
    );
  }

  get interims(): Utterance[] {
    return this.#utterances("interim");
  }

  get finals(): Utterance[] {
    return this.#utterances("final");
  }

  /** The numbers of all finals, in order. */
  get counters(): number[] {
    return this.finals.flatMap(({ text }) => countersIn(text));
  }

  /** The last position that was settled; 0 before the first. */
  get settled(): number {
    const settled = this.log.events.flatMap((event) => (event.kind === "settled" ? [event.sample] : []));
    return settled.at(-1) ?? 0;
  }

  get ends(): (ConnectionFailure | undefined)[] {
    return this.log.events.flatMap((event) => (event.kind === "end" ? [event.failure] : []));
  }

  /** Resolves when the service listens. @throws when the connection ends instead. */
  async open(): Promise<this> {
    const first = await this.log.until(({ kind }) => kind === "open" || kind === "end");
    if (first.kind === "end") throw new Error(`ended instead of opening: ${first.failure?.detail}`);
    return this;
  }

  /** Writes audio in messages of 100 ms, all at once. */
  write(pcm: Int16Array, startSample: number): void {
    for (let at = 0; at < pcm.length; at += messageSamples) {
      this.connection.write(pcm.slice(at, at + messageSamples), startSample + at);
    }
  }

  abort(): void {
    this.#abort.abort();
  }

  async untilFinals(count: number): Promise<Utterance[]> {
    await this.log.until(() => this.finals.length >= count);
    return this.finals;
  }

  async untilSettled(sample: number): Promise<void> {
    await this.log.until((event) => event.kind === "settled" && event.sample >= sample);
  }

  /** Why it ended; undefined where it was asked to. */
  async end(): Promise<ConnectionFailure | undefined> {
    const end = await this.log.until(({ kind }) => kind === "end");
    return end.kind === "end" ? end.failure : undefined;
  }

  #utterances(kind: "interim" | "final"): Utterance[] {
    return this.log.events.flatMap((event) => (event.kind === kind ? [event as Utterance] : []));
  }
}
