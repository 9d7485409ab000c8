import type { Clock } from "../kernel/clock.ts";
import type { Limits } from "../kernel/limits.ts";
import type { Logger } from "../kernel/log.ts";
import type { Metrics } from "../kernel/metrics.ts";
import type { WebhookOutcome, Webhooks } from "../session/ports.ts";
import type { AppRecord } from "../store/store.ts";
import type { SessionRequest, StopRequest } from "../wire/apps.ts";
import { resolvedTargetProblem, type TargetPolicy } from "./target-rule.ts";

interface WebhookClientParts {
  readonly clock: Clock;
  readonly limits: Limits;
  readonly log: Logger;
  readonly metrics: Metrics;
  /** The addresses that may be called. */
  readonly targets: TargetPolicy;
}

/** Calls the servers of apps. */
export class WebhookClient implements Webhooks {
  readonly #parts: WebhookClientParts;

  constructor(parts: WebhookClientParts) {
    this.#parts = parts;
  }

  async start(app: AppRecord, request: SessionRequest, signal: AbortSignal): Promise<WebhookOutcome> {
    const { webhookMs } = this.#parts.limits;
    const outcome = await this.#within(app, webhookMs, signal, (abort) =>
      post(app, request, this.#most, abort),
    );
    this.#count("start", app, outcome);
    return outcome;
  }

  stop(app: AppRecord, request: StopRequest): void {
    const { stopWebhookMs } = this.#parts.limits;
    void this.#within(app, stopWebhookMs, undefined, (abort) => post(app, request, this.#most, abort)).then(
      (outcome) => this.#count("stop", app, outcome),
    );
  }

  async probe(app: AppRecord, signal: AbortSignal): Promise<boolean> {
    const outcome = await this.#within(app, this.#parts.limits.probeMs, signal, async (abort) => {
      const response = await fetch(`${app.publicUrl}/health`, { redirect: "manual", signal: abort });
      await readBounded(response, this.#most);
      // Any answer but a proxy's: an app may have switched its health page off.
      return response.status < 500
        ? { kind: "accepted" }
        : { kind: "unreachable", detail: `HTTP ${response.status}` };
    });
    this.#count("probe", app, outcome);
    return outcome.kind === "accepted";
  }

  get #most(): number {
    return this.#parts.limits.webhookAnswerBytes;
  }

  /** Runs a call under a time limit. Whatever it throws means that nobody was reached. */
  async #within(
    app: AppRecord,
    limitMs: number,
    signal: AbortSignal | undefined,
    call: (abort: AbortSignal) => Promise<WebhookOutcome>,
  ): Promise<WebhookOutcome> {
    const timeout = new AbortController();
    const stopTimer = this.#parts.clock.after(limitMs, () => timeout.abort());
    const abort = signal ? AbortSignal.any([signal, timeout.signal]) : timeout.signal;
    try {
      const problem = await resolvedTargetProblem(app.publicUrl, this.#parts.targets, abort);
      if (problem !== undefined) return { kind: "unreachable", detail: `the app's address is ${problem}` };
      return await call(abort);
    } catch (error) {
      if (signal?.aborted) return { kind: "unreachable", detail: "aborted" };
      if (timeout.signal.aborted) {
        return { kind: "unreachable", detail: `no answer within ${limitMs / 1000} s` };
      }
      return { kind: "unreachable", detail: error instanceof Error ? error.message : String(error) };
    } finally {
      stopTimer();
    }
  }

  #count(kind: "start" | "stop" | "probe", app: AppRecord, outcome: WebhookOutcome): void {
    this.#parts.metrics.webhooks.inc({ kind, outcome: outcome.kind });
    if (outcome.kind === "accepted") return;
    this.#parts.log.debug(
      { packageName: app.packageName, webhook: kind, ...outcome },
      "webhook not accepted",
    );
  }
}

async function post(
  app: AppRecord,
  request: SessionRequest | StopRequest,
  mostBytes: number,
  signal: AbortSignal,
): Promise<WebhookOutcome> {
  const response = await fetch(`${app.publicUrl}/webhook`, {
    method: "POST",
    // No Authorization: the SDK takes any bearer value for a token of its own and complains.
    headers: { "content-type": "application/json" },
    body: JSON.stringify(request),
    redirect: "manual",
    signal,
  });
  const body = await readBounded(response, mostBytes);
  const { status } = response;
  if (response.ok) return { kind: "accepted" };
  if (status < 500) return { kind: "refused", status, sdkError: false };
  if (status === 500 && isSdkError(body)) return { kind: "refused", status, sdkError: true };
  return { kind: "unreachable", detail: `HTTP ${status}` };
}

function isSdkError(body: string): boolean {
  try {
    const answer: unknown = JSON.parse(body);
    return typeof answer === "object" && answer !== null && "status" in answer && answer.status === "error";
  } catch {
    return false;
  }
}

/** At most `mostBytes` of a body as text; the rest is never read. */
async function readBounded(response: Response, mostBytes: number): Promise<string> {
  // Nearly every answer is a few bytes long and says so: a stream for each would be most of what a start costs.
  const length = response.headers.get("content-length");
  const isPlain = !response.headers.has("content-encoding");
  if (length !== null && isPlain && Number(length) <= mostBytes) return response.text();
  if (response.body === null) return "";
  const decoder = new TextDecoder();
  let text = "";
  let bytes = 0;
  for await (const chunk of response.body) {
    text += decoder.decode(chunk, { stream: true });
    bytes += chunk.byteLength;
    if (bytes >= mostBytes) break;
  }
  return text;
}
