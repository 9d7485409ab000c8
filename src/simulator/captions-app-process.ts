import { createServer } from "node:net";
import { AppServer, type AppSession } from "@mentra/sdk";
import type { CaptionsReport, CaptionsStream } from "./captions-app.ts";

function report(line: CaptionsReport): void {
  process.send?.(line);
}

const { CAPTIONS_PACKAGE = "", CAPTIONS_KEY = "", CAPTIONS_PORT = "0", CAPTIONS_STREAMS = "" } = process.env;
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

/** The SDK cannot be asked which port the system chose for it, so one is chosen beforehand. */
function freePort(): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  const probe = createServer();
  probe.once("error", reject);
  probe.listen(0, "127.0.0.1", () => {
    const address = probe.address();
    const port = typeof address === "object" && address !== null ? address.port : 0;
    probe.close(() => resolve(port));
  });
  return promise;
}

/** `start` resolves only after it has asked the SDK's makers for a newer version, which may take seconds. */
async function answering(port: number): Promise<void> {
  for (;;) {
    try {
      if ((await fetch(`http://127.0.0.1:${port}/health`)).ok) return;
    } catch {
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  }
}

// A parent that is gone can neither read reports nor end this process.
process.on("disconnect", () => process.exit(0));
process.on("uncaughtException", (error) => {
  report({ kind: "error", message: error.message });
  process.exit(1);
});

const port = Number(CAPTIONS_PORT) || (await freePort());
const server = new CaptionsServer({
  packageName: CAPTIONS_PACKAGE,
  apiKey: CAPTIONS_KEY,
  port,
});
void server.start();
await answering(port);
report({ kind: "listening", port });
