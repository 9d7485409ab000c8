import { randomBytes } from "node:crypto";
import type { Clock } from "../kernel/clock.ts";

interface Issued {
  readonly userId: string;
  readonly packageName: string;
  readonly untilMs: number;
}

/**
 * Tokens with which a phone opens an app's web page: each names one user to one app, once, within `lifeMs`. They live in
 * memory only; beyond `most` the oldest one lapses.
 */
export class WebviewTokens {
  readonly #clock: Clock;
  readonly #lifeMs: number;
  readonly #most: number;
  /** Oldest first, which is also the order in which they lapse. */
  readonly #issued = new Map<string, Issued>();

  constructor(clock: Clock, lifeMs: number, most: number) {
    this.#clock = clock;
    this.#lifeMs = lifeMs;
    this.#most = most;
  }

  issue(userId: string, packageName: string): string {
    const now = this.#clock.now();
    for (const [token, { untilMs }] of this.#issued) {
      if (untilMs > now && this.#issued.size < this.#most) break;
      this.#issued.delete(token);
    }
    const token = randomBytes(32).toString("base64url");
    this.#issued.set(token, { userId, packageName, untilMs: now + this.#lifeMs });
    return token;
  }

  /**
   * The user that a token names to an app; undefined if it is unknown, used, lapsed or another app's. A token shown by the
   * wrong app stays good for the right one.
   */
  redeem(token: string, packageName: string): string | undefined {
    const issued = this.#issued.get(token);
    if (issued === undefined || issued.packageName !== packageName) return undefined;
    this.#issued.delete(token);
    return issued.untilMs > this.#clock.now() ? issued.userId : undefined;
  }
}
