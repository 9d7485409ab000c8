import type { CloudSpeech, SpeechNews } from "../../../src/audio/commands.ts";
import type { Clock } from "../../../src/kernel/clock.ts";
import type { SpeechProvider, SpeechSink, SpeechStream, SpeechStreamOptions } from "../provider.ts";
import { OpenGate } from "./open-gate.ts";
import { SpeechTally } from "./speech-tally.ts";
import { SupervisedStream } from "./supervised-stream.ts";
import type { CloudVendor } from "./vendor.ts";
import { VendorDesk } from "./vendor-desk.ts";

/** A vendor and how much of it this worker may use. */
export interface CloudSeat {
  readonly vendor: CloudVendor;
  /** Connections at one time. */
  readonly connections: number;
  readonly openBurst: number;
  readonly opensPerSecond: number;
}

export interface SupervisorOptions {
  readonly clock: Clock;
  /** In order of preference. */
  readonly seats: readonly CloudSeat[];
  /** Who recognises without the cloud, in order of preference: asked whenever nobody in the cloud can be had. */
  readonly offline: () => readonly SpeechProvider[];
  /** What a provider's failures or success should mean to the other workers. */
  readonly onNews?: (news: SpeechNews) => void;
  readonly random?: () => number;
  /** For the negative control of the proof. */
  readonly replay?: boolean;
}

/** Speech by cloud providers with an offline recogniser behind them: a provider that does not fail while one of them works. */
export class Supervisor implements SpeechProvider {
  readonly id = "cloud";
  readonly #options: SupervisorOptions;
  readonly #desks: readonly VendorDesk[];
  readonly #tally = new SpeechTally();
  readonly #streams = new Set<SupervisedStream>();
  #reconsidering = false;

  constructor(options: SupervisorOptions) {
    this.#options = options;
    const { clock } = options;
    this.#desks = options.seats.map(
      ({ vendor, ...gate }) =>
        new VendorDesk({
          vendor,
          gate: new OpenGate({ clock, ...gate }),
          clock,
          tally: this.#tally,
          onChange: () => this.#reconsider(),
          onNews: (news) => options.onNews?.(news),
        }),
    );
  }

  supports(language: string): boolean {
    return (
      this.#desks.some(({ vendor }) => vendor.supports(language)) ||
      this.#options.offline().some((provider) => provider.supports(language))
    );
  }

  open(options: SpeechStreamOptions, sink: SpeechSink): SpeechStream {
    const { clock, offline, random = Math.random, replay = true } = this.#options;
    const { language } = options;
    const stream: SupervisedStream = new SupervisedStream(
      {
        ...options,
        clock,
        random,
        replay,
        desks: this.#desks.filter(({ vendor }) => vendor.supports(language)),
        offline: () => offline().filter((provider) => provider.supports(language)),
        tally: this.#tally,
        onClosed: () => this.#streams.delete(stream),
      },
      sink,
    );
    this.#streams.add(stream);
    return stream;
  }

  /** Another worker has found out something about a provider. */
  learn(news: SpeechNews): void {
    this.#desks.find(({ id }) => id === news.provider)?.learn(news);
  }

  /** What has happened since the last call, and how things stand. */
  report(): CloudSpeech {
    const streams = [...this.#streams];
    return {
      providers: this.#desks.map(({ state }) => state),
      counts: this.#tally.take(),
      unserved: streams.filter(({ isServed }) => !isServed).length,
    };
  }

  async close(): Promise<void> {
    await Promise.all([...this.#streams].map((stream) => stream.close(0)));
    for (const { gate } of this.#desks) gate.close();
  }

  /** In a turn of its own: the change came about in the middle of some stream's work. */
  #reconsider(): void {
    if (this.#reconsidering) return;
    this.#reconsidering = true;
    queueMicrotask(() => {
      this.#reconsidering = false;
      for (const stream of [...this.#streams]) stream.reconsider();
    });
  }
}
