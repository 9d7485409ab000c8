/** Threads of the server that can be made to die. */
export const workerKinds = ["store", "liveness", "audio"] as const;
export type WorkerKind = (typeof workerKinds)[number];

/** What the server's process is told. */
export type ServerOrder =
  | { readonly kind: "killWorker"; readonly worker: WorkerKind }
  /** Asks how late the main loop was since it was asked last, or since the start. */
  | { readonly kind: "lag" };

/** What it says. */
export type ServerReport =
  | { readonly kind: "listening"; readonly port: number }
  | { readonly kind: "failed"; readonly message: string }
  /**
   * How much later than due the main loop's turns came, and what it has worked meanwhile, in milliseconds: on a machine
   * that is busy with other things only the latter says much.
   */
  | {
      readonly kind: "lag";
      readonly p50: number;
      readonly p99: number;
      readonly max: number;
      readonly workedMs: number;
    };

/** What it is started with, as JSON in the variable `CHAOS_SERVER`. */
export interface ServerSettings {
  /** How many times as fast its timers run. */
  readonly speed: number;
  readonly maxSessions: number;
}
