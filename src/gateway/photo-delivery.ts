import { randomBytes } from "node:crypto";
import type { Clock } from "../kernel/clock.ts";
import type { Config } from "../kernel/config.ts";
import type { Logger } from "../kernel/log.ts";
import type {
  ExpectedPhoto,
  PhotoDelivery,
  PhotoNews,
  PhotoOutcome,
  PhotoRoute,
  Picture,
} from "../session/ports.ts";
import type { AppRecord } from "../store/store.ts";
import type { PhotoFailure } from "../wire/photo-response.ts";
import type { ExpectedPhotos } from "./expected-photos.ts";
import { isLocalHost, resolvedTargetProblem, targetProblem } from "./target-rule.ts";

interface PhotoDeliveryParts {
  readonly clock: Clock;
  readonly config: Pick<Config, "photoRelay" | "targets" | "limits">;
  readonly log: Logger;
  readonly expected: ExpectedPhotos;
}

/** What one try came to. Only `unreachable` is worth another. */
type Try = () => Promise<PhotoOutcome>;

/** Pauses before the second and the third try. */
const pausesMs: readonly number[] = [250, 1_000];

/** Brings pictures to the servers of apps, and the word that there is none, in the form that the SDK takes them in. */
export class HttpPhotoDelivery implements PhotoDelivery {
  readonly #parts: PhotoDeliveryParts;
  #delivering = 0;

  constructor(parts: PhotoDeliveryParts) {
    this.#parts = parts;
  }

  route(app: AppRecord, customUrl: string | undefined): PhotoRoute {
    const { config } = this.#parts;
    const url = customUrl ?? uploadUrl(app);
    const problem = targetProblem(url, config.targets);
    if (problem !== undefined) return { kind: "none", problem: `its address is ${problem}` };
    const relayed =
      config.photoRelay === "always" || (config.photoRelay === "auto" && isLocalHost(new URL(url).hostname));
    // An address that the app has named may well lie in the glasses' own network.
    return relayed && customUrl === undefined ? { kind: "relay" } : { kind: "direct", url };
  }

  expect(
    userId: string,
    requestId: string,
    untilMs: number,
    onNews: (news: PhotoNews) => void,
    formerUrl?: string,
  ): ExpectedPhoto {
    return this.#parts.expected.add(userId, requestId, untilMs, onNews, formerUrl);
  }

  async deliver(
    app: AppRecord,
    requestId: string,
    picture: Picture,
    authToken: string | undefined,
  ): Promise<PhotoOutcome> {
    const { limits } = this.#parts.config;
    if (this.#delivering >= limits.photoUploads) return "unreachable";
    this.#delivering++;
    const boundary = `browline-${randomBytes(12).toString("hex")}`;
    try {
      return await this.#post(app, requestId, limits.photoDeliveryMs, () => ({
        headers: {
          "content-type": `multipart/form-data; boundary=${boundary}`,
          // As the glasses themselves would: only where the app has asked for it.
          ...(authToken === undefined ? {} : { authorization: `Bearer ${authToken}` }),
        },
        // In pieces: to join them would hold the thread for milliseconds.
        body: stream(formPieces(boundary, requestId, picture)),
      }));
    } finally {
      this.#delivering--;
    }
  }

  fail(app: AppRecord, requestId: string, { code, message, hop }: PhotoFailure): Promise<PhotoOutcome> {
    const error = {
      requestId,
      type: "photo_error",
      success: false,
      errorCode: code,
      errorMessage: message,
      hop,
    };
    return this.#post(app, requestId, this.#parts.config.limits.photoErrorMs, () => ({
      headers: { "content-type": "application/json" },
      body: JSON.stringify(error),
    }));
  }

  async #post(
    app: AppRecord,
    requestId: string,
    withinMs: number,
    content: () => Pick<RequestInit, "headers" | "body">,
  ): Promise<PhotoOutcome> {
    const { clock, config, log } = this.#parts;
    const url = uploadUrl(app);
    const { packageName } = app;
    const timeout = new AbortController();
    const stopTimer = clock.after(withinMs, () => timeout.abort());
    const { signal } = timeout;
    const attempt: Try = async () => {
      try {
        const problem = await resolvedTargetProblem(url, config.targets, signal);
        if (problem !== undefined) {
          log.warn({ packageName, requestId, problem }, "the app's address is not allowed");
          return "refused";
        }
        const response = await fetch(url, { method: "POST", redirect: "manual", signal, ...content() });
        await response.body?.cancel();
        return outcomeOf(response.status);
      } catch {
        return "unreachable";
      }
    };
    try {
      let outcome = await attempt();
      for (const pauseMs of pausesMs) {
        if (outcome !== "unreachable" || signal.aborted) break;
        await this.#pause(pauseMs, signal);
        log.debug({ packageName, requestId }, "another try to reach the app's server");
        outcome = await attempt();
      }
      return outcome;
    } finally {
      stopTimer();
    }
  }

  #pause(pauseMs: number, signal: AbortSignal): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const stopTimer = this.#parts.clock.after(pauseMs, resolve);
    signal.addEventListener("abort", () => resolve(), { once: true });
    return promise.finally(stopTimer);
  }
}

function uploadUrl(app: AppRecord): string {
  return `${app.publicUrl}/photo-upload`;
}

/** What an answer means. A server error is taken to come from something in between: the SDK has none of its own here. */
function outcomeOf(status: number): PhotoOutcome {
  if (status >= 200 && status < 300) return "delivered";
  if (status === 404) return "unwanted";
  return status >= 500 ? "unreachable" : "refused";
}

/** The body of an upload as glasses send it. */
function formPieces(boundary: string, requestId: string, picture: Picture): Uint8Array[] {
  const field = (name: string, value: string) =>
    `--${boundary}\r\nContent-Disposition: form-data; name="${name}"\r\n\r\n${value}\r\n`;
  const extension = picture.mimeType === "image/jpeg" ? "jpg" : picture.mimeType.slice("image/".length);
  const head =
    field("requestId", requestId) +
    field("type", "photo_upload") +
    field("success", "true") +
    `--${boundary}\r\nContent-Disposition: form-data; name="photo"; filename="photo.${extension}"\r\n` +
    `Content-Type: ${picture.mimeType}\r\n\r\n`;
  return [Buffer.from(head), ...picture.pieces, Buffer.from(`\r\n--${boundary}--\r\n`)];
}

function stream(pieces: readonly Uint8Array[]): ReadableStream<Uint8Array> {
  const rest = pieces.values();
  return new ReadableStream({
    pull(controller) {
      const { done, value } = rest.next();
      if (done) controller.close();
      else controller.enqueue(value);
    },
  });
}
