import type { StageName } from "../../src/kernel/stage-times.ts";
import type { ProcessLoad } from "./load-probe.ts";

/** How a server is to be set up. What a kind of server does not know it leaves out. */
export interface ServerSetup {
  readonly sessions: number;
  /** An empty folder. */
  readonly dataDir: string;
  /** The apps that every user may start. */
  readonly apps: readonly BenchApp[];
  readonly opus: "auto" | "libopus" | "opusscript";
  /** Address of the speech service; undefined: nobody recognises. */
  readonly speechUrl: string | undefined;
  /** Whether decoding and the feeding of speech happen on the main thread. */
  readonly singleLoop: boolean;
  /** Undefined: as many as the server thinks right. */
  readonly audioWorkers: number | undefined;
  /** How long a session waits for its glasses. */
  readonly sessionGraceMs?: number;
}

export interface BenchApp {
  readonly packageName: string;
  readonly apiKey: string;
  readonly url: string;
}

export interface Memory {
  readonly rssBytes: number;
  readonly heapBytes: number;
}

/** What is left over of sessions that have ended. */
export interface Leftovers {
  readonly sessions: number;
  readonly timers: number;
  readonly sockets: number;
  readonly lanes: number;
  /** Session objects that nobody has collected. */
  readonly objects: number;
}

export interface ServerReport {
  readonly load: ProcessLoad;
  /** How long the stages took while measuring: `Durations` as pairs. Empty where there are none. */
  readonly stages: Partial<Record<StageName, readonly number[]>>;
  /** The most that waited in one socket's queue at any of many looks, bytes. */
  readonly mostQueuedBytes: number;
  /** Processor time of each thread, ms. */
  readonly threads: Readonly<Record<string, number>>;
}

/** What became of all frames since the server began. */
export interface FrameTotals {
  readonly received: number;
  readonly decoded: number;
  /** The same by audio worker. */
  readonly decodedBy: readonly number[];
  /** Those that were lost on the server's way, by cause. */
  readonly lost: Readonly<Record<string, number>>;
}

export type InjectedFault = "spin" | "crash";

/** What every server process of the bench answers. */
export type ServerCommands = {
  /** Starts to listen on a free port of the loopback, with a token for each session. */
  start(setup: ServerSetup): Promise<{ port: number; livezPort: number; tokens: string[] }>;
  /** How many sessions have somebody who listens to their audio. */
  listeners(): number;
  /** From now on the audio of everybody is Opus. */
  useOpus(): void;
  begin(): void;
  end(): ServerReport;
  totals(): Promise<FrameTotals>;
  /** Makes the first audio worker misbehave. */
  inject(fault: InjectedFault): void;
  /** What there is at this moment. */
  present(): { readonly sessions: number; readonly lanes: number };
  /** The sessions of this moment are to be looked for among the leftovers. */
  note(): void;
  /** After everything that can be collected has been. */
  memory(): Promise<Memory>;
  /** After everything that can be collected has been. */
  leftovers(): Promise<Leftovers>;
  /** Writes a profile of every thread over so many milliseconds. Returns the files. */
  profile(folder: string, ms: number): Promise<string[]>;
  /** Writes a heap snapshot of the main thread. Returns the file. */
  heapSnapshot(folder: string): string;
  stop(): Promise<void>;
};
