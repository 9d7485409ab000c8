import { AppServer, type AppSession } from "@mentra/sdk";
import type { CaptionsReport, CaptionsStream } from "./captions-app.ts";

function report(line: CaptionsReport): void {
  process.send?.(line);
}

const { CAPTIONS_PACKAGE = "", CAPTIONS_KEY = "", CAPTIONS_PORT = "", CAPTIONS_STREAMS = "" } = process.env;
const streams: ReadonlySet<string> = new Set(CAPTIONS_STREAMS.split(","));

function listens(stream: CaptionsStream): boolean {
  return streams.has(stream);
}

/** The app itself, as one would write it for real glasses, but for its reports. */
class CaptionsServer extends AppServer {
  protected override async onSession(session: AppSession, sessionId: string, userId: string): Promise<void> {
    report({ kind: "session", sessionId, userId });
    if (listens("transcription")) {
      session.events.onTranscription((data) => {
        session.layouts.showTextWall(data.text);
        report({ kind: "transcript", sessionId, data });
      });
    }
    if (listens("button")) {
      session.events.onButtonPress((data) => report({ kind: "button", sessionId, data }));
    }
    if (listens("head")) {
      session.events.onHeadPosition((data) => report({ kind: "head", sessionId, data }));
    }
    if (listens("battery")) {
      session.events.onGlassesBattery((data) => report({ kind: "battery", sessionId, data }));
    }
    if (listens("voice")) {
      session.events.onVoiceActivity((data) => report({ kind: "voice", sessionId, data }));
    }
    if (listens("audio")) {
      session.events.onAudioChunk(({ arrayBuffer }) => {
        report({ kind: "audio", sessionId, bytes: arrayBuffer.byteLength });
      });
    }
  }

  protected override async onStop(sessionId: string, userId: string, reason: string): Promise<void> {
    report({ kind: "stopped", sessionId, reason });
    await super.onStop(sessionId, userId, reason);
  }
}

// A parent that is gone can neither read reports nor end this process.
process.on("disconnect", () => process.exit(0));
process.on("uncaughtException", (error) => {
  report({ kind: "error", message: error.message });
  process.exit(1);
});

const server = new CaptionsServer({
  packageName: CAPTIONS_PACKAGE,
  apiKey: CAPTIONS_KEY,
  port: Number(CAPTIONS_PORT),
});
void server.start();
