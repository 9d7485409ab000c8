import type { Load } from "./load-probe.ts";

export interface ServerSetup {
  readonly sessions: number;
  /** An empty folder. */
  readonly dataDir: string;
  /** The app that every user may start, if there is to be one. */
  readonly app: BenchApp | undefined;
}

export interface BenchApp {
  readonly packageName: string;
  readonly apiKey: string;
  readonly url: string;
}

export interface ServerReport {
  readonly load: Load;
  /** Frames whose wait between socket and worker was less than 1, 2, 4... ms; empty where there is no worker. */
  readonly ringLag: readonly number[];
}

/** What became of all frames since the server began. */
export interface FrameTotals {
  readonly received: number;
  /** Those of them that were lost on the server's way, by cause. */
  readonly lost: Readonly<Record<string, number>>;
}

/** What every server process of the bench answers. */
export type ServerCommands = {
  /** Starts to listen on a free port of the loopback, with a token for each session. */
  start(setup: ServerSetup): Promise<{ port: number; tokens: string[] }>;
  /** How many sessions have somebody who listens to their audio. */
  listeners(): number;
  begin(): void;
  end(): ServerReport;
  totals(): Promise<FrameTotals>;
  stop(): Promise<void>;
};
