import type { Limits } from "../kernel/limits.ts";
import type { WebhookOutcome } from "./ports.ts";

/** When the next webhook is due; undefined while one is under way, or when no other try could help. */
export interface Retry {
  readonly attempts: number;
  readonly nextMs: number | undefined;
}

/** What failed at the network is asked for again after this: the way to the server knows how long to wait. */
const queueAgainMs = 1_000;

/** When it is due; infinity: not by itself. */
export function retryMs({ nextMs }: Retry): number {
  return nextMs ?? Number.POSITIVE_INFINITY;
}

/** The first try of an app that has just been parked. */
export function firstParked(nowMs: number, limits: Limits): Retry {
  return { attempts: 0, nextMs: nowMs + limits.parkedMs };
}

/** The try after that: soon at first, later rarely. */
export function nextParked({ attempts }: Retry, nowMs: number, limits: Limits): Retry {
  const pauseMs = attempts < limits.parkedTries ? limits.parkedMs : limits.parkedRarelyMs;
  return { attempts, nextMs: nowMs + pauseMs };
}

/** The try after a webhook that has not made the app connect. */
export function afterAnswer(retry: Retry, outcome: WebhookOutcome, nowMs: number): Retry {
  return outcome.kind === "unreachable" ? soon(retry, nowMs) : later(retry, nowMs);
}

/** While a webhook is under way that comes after so many `attempts`. */
export function underWay(attempts: number): Retry {
  return { attempts: attempts + 1, nextMs: undefined };
}

/** Whether a webhook is under way; of none sent yet it is not. */
export function isUnderWay({ attempts, nextMs }: Retry): boolean {
  return attempts > 0 && nextMs === undefined;
}

/** 1, 2, 4, 8, 16, then every 30 seconds. */
export function later(retry: Retry, nowMs: number): Retry {
  return { ...retry, nextMs: nowMs + Math.min(1000 * 2 ** (retry.attempts - 1), 30_000) };
}

/** As what the network has refused is tried again. */
export function soon(retry: Retry, nowMs: number): Retry {
  return { ...retry, nextMs: nowMs + queueAgainMs };
}

/** Whether the next webhook is to be sent. */
export function isDue(retry: Retry, nowMs: number): boolean {
  return retry.nextMs !== undefined && nowMs >= retry.nextMs;
}
