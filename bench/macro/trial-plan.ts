import type { AppPlan } from "./app-host.ts";
import type { BenchProcess } from "./control.ts";
import type { Traffic } from "./generator.ts";
import type { ServerCommands } from "./server-under-test.ts";

/** What may be asked of a trial while it is measured. */
export interface TrialInProgress {
  readonly server: BenchProcess<ServerCommands>;
  /** Answers while the server lives. */
  readonly livezUrl: string;
}

export type ServerKind = "bare" | "bare relay" | "posting" | "browline" | "single loop";

/** A server, what is asked of it, and for how long. */
export interface TrialPlan {
  readonly name: string;
  readonly server: ServerKind;
  readonly sessions: number;
  readonly traffic: Traffic;
  readonly apps?: AppPlan;
  readonly opus?: "auto" | "libopus" | "opusscript";
  readonly audioWorkers?: number;
  readonly sessionGraceMs?: number;
  /** Whether there is a speech service. */
  readonly speech?: boolean;
  /** So many of the sessions' glasses and apps stop to read before the measuring. */
  readonly deaf?: number;
  /**
   * Whether the server's main thread and the generator, with the apps, keep to a core each. Where they meet on one, frames
   * come in heaps and are cheap; so what a frame costs would depend on where the scheduler happens to put the two.
   */
  readonly apart?: boolean;
  readonly warmupMs: number;
  readonly measuredMs: number;
  /** Happens while it is measured. */
  during?(trial: TrialInProgress): Promise<void>;
}
