import type { Clock } from "../kernel/clock.ts";
import { type UserHash, userHash } from "../kernel/identity.ts";
import type { LatencyHistogram } from "../kernel/latency-histogram.ts";
import type { Limits } from "../kernel/limits.ts";
import { LineLimit } from "../kernel/line-limit.ts";
import type { Logger } from "../kernel/log.ts";
import type { Metrics } from "../kernel/metrics.ts";
import { DisplayTimer } from "./display-timer.ts";
import type { Heartbeat } from "./heartbeat.ts";
import type { Sessions } from "./sessions.ts";

/** What all sockets of one gateway share. */
export class SocketContext {
  readonly clock: Clock;
  readonly limits: Limits;
  readonly log: Logger;
  readonly metrics: Metrics;
  readonly sessions: Sessions;
  readonly heartbeat: Heartbeat;
  readonly #hashUser: UserHash;
  readonly #lines: LineLimit;
  /** Set once the gateway drains: sockets that open later are sent away. */
  draining = false;
  readonly socketToRing: LatencyHistogram;
  /** For the displays that are sent while the request for them is being acted on. */
  readonly display: DisplayTimer;
  /** Frames of audio that have come, over all sockets. */
  audioFrames = 0;

  constructor(
    parts: Pick<SocketContext, "clock" | "limits" | "log" | "metrics" | "sessions" | "heartbeat"> & {
      readonly tokenSecret: string;
    },
  ) {
    this.clock = parts.clock;
    this.limits = parts.limits;
    this.log = parts.log;
    this.metrics = parts.metrics;
    this.sessions = parts.sessions;
    this.heartbeat = parts.heartbeat;
    this.#hashUser = userHash(parts.tokenSecret);
    this.#lines = new LineLimit(parts.clock);
    this.display = new DisplayTimer(parts.metrics.probes.stages.of("display_to_glasses"));
    this.socketToRing = parts.metrics.probes.stages.of("socket_to_ring");
  }

  /** Runs what must not bring down a socket or the process. Returns whether it went through. */
  contain(where: string, userId: string | undefined, run: () => void): boolean {
    try {
      run();
      return true;
    } catch (error) {
      this.contained(where, userId, error);
      return false;
    }
  }

  /** Counts what has been thrown and caught, and logs it unless the same of the same user has been in the log just now. */
  contained(where: string, userId: string | undefined, error: unknown): void {
    this.metrics.errors.inc({ where });
    const user = userId && this.#hashUser(userId);
    const leftOut = this.#lines.admit(`${where} ${user}`);
    if (leftOut !== undefined) this.log.error({ user, where, err: error, leftOut }, "an error was contained");
  }

  /** Counts a frame that is not acted on. `type` as the peer wrote it, for the log. */
  reject(side: "glasses" | "app", reason: string, type?: string): void {
    this.metrics.messagesRejected.inc({ side, reason });
    this.log.debug({ side, reason, type: type?.slice(0, 64) }, "frame not acted on");
  }
}

/** Whether a text frame is larger than `limitBytes` in UTF-8, without encoding those that cannot be. */
export function exceedsBytes(frame: string, limitBytes: number): boolean {
  return (
    frame.length > limitBytes || (frame.length * 3 > limitBytes && Buffer.byteLength(frame) > limitBytes)
  );
}
