import { randomBytes } from "node:crypto";
import type { AppMessage } from "../wire/apps.ts";
import { type RefusalCode, refusal } from "../wire/refusals.ts";
import type { Manager, SessionApp, SessionContext } from "./manager.ts";

/**
 * Answers what this server does not do: sending the glasses' video anywhere. Every request is answered in the same turn,
 * with the message that the SDK waits for.
 */
export class UnservedManager implements Manager {
  readonly #context: SessionContext;

  constructor(context: SessionContext) {
    this.#context = context;
  }

  onAppMessage(app: SessionApp, message: AppMessage): boolean {
    switch (message.type) {
      case "rtmp_stream_request": {
        const { error, code, hop } = this.#refusal(app, message.type);
        const fields = { status: "error", errorDetails: error, code, hop, appId: app.packageName } as const;
        app.send({ type: "rtmp_stream_status", streamId: newStreamId(), ...fields });
        return true;
      }
      case "rtmp_stream_stop": {
        const streamId = message.streamId ?? newStreamId();
        app.send({ type: "rtmp_stream_status", streamId, status: "stopped", appId: app.packageName });
        return true;
      }
      case "managed_stream_request": {
        const { error, code, hop } = this.#refusal(app, message.type);
        const fields = { status: "error", message: error, code, hop } as const;
        app.send({ type: "managed_stream_status", streamId: newStreamId(), ...fields });
        return true;
      }
      case "managed_stream_stop":
        app.send({ type: "managed_stream_status", streamId: newStreamId(), status: "stopped" });
        return true;
      case "stream_status_check":
        app.send({ type: "stream_status_check_response", hasActiveStream: false });
        return true;
      default:
        return false;
    }
  }

  #refusal(app: SessionApp, request: string) {
    const code: RefusalCode = app.may("CAMERA") ? "NOT_SERVED" : "PERMISSION_DENIED";
    this.#context.metrics.requestsRefused.inc({ request, code });
    const detail = app.may("CAMERA")
      ? "This server sends no video of the glasses anywhere"
      : "Video needs the permission CAMERA, which this app has not been granted";
    return refusal(code, detail);
  }
}

/** As short as the ids of streams that run: they travel to glasses over Bluetooth elsewhere. */
function newStreamId(): string {
  return `s${randomBytes(5).toString("hex")}`;
}
