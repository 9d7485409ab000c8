import type { ToApp } from "./apps.ts";
import { refusal, refusalError } from "./refusals.ts";

/** By what apps know their requests again. */
interface RequestIds {
  readonly requestId?: unknown;
  readonly messageId?: unknown;
  readonly targetUserId?: unknown;
}

/**
 * The answer to an app's message of a known type with a field that is missing or wrong: on the request's own channel if
 * the id by which the app waits for it can be read, and as an error event in the app otherwise.
 * @param packageName of the app that sent it.
 */
export function answerToBadRequest(
  type: string,
  frame: RequestIds,
  problem: string,
  packageName: string,
): ToApp {
  const detail = `${type}: ${problem}`;
  const { error, code, hop } = refusal("BAD_REQUEST", detail);
  const refused = { success: false, error, code, hop } as const;
  const requestId = readId(frame.requestId);
  if (type === "audio_play_request" && requestId !== undefined) {
    return { type: "audio_play_response", requestId, ...refused };
  }
  if (type === "rgb_led_control" && requestId !== undefined) {
    return { type: "rgb_led_control_response", requestId, ...refused };
  }
  if (type === "rtmp_stream_request") {
    const status = { status: "error", errorDetails: error, code, hop, appId: packageName } as const;
    return { type: "rtmp_stream_status", streamId: "none", ...status };
  }
  const messageId = readId(frame.messageId);
  if (type === "app_direct_message" && messageId !== undefined) {
    const targetUserId = readId(frame.targetUserId) ?? "";
    return { type: "app_direct_message_response", messageId, ...refused, targetUserId };
  }
  return refusalError("BAD_REQUEST", detail);
}

/** The id of a request that could not be read as a whole; undefined if it is wrong as well. */
export function requestIdOf(frame: RequestIds): string | undefined {
  return readId(frame.requestId);
}

/** Ids are echoed, so they are bounded. */
function readId(value: unknown): string | undefined {
  return typeof value === "string" && value !== "" && value.length <= 256 ? value : undefined;
}
