import { RecentAudio } from "../../src/audio/recent-audio.ts";
import type { StreamCommand, StreamReport } from "../../src/audio/recogniser-commands.ts";
import { EventLog } from "./event-log.ts";
import type { RecogniserThread } from "./recogniser-thread.ts";
import { quiet, type Recording } from "./speech-fixtures.ts";

/** Quiet around what is said, as a voice detector includes it. */
const leadMs = 500;
const tailMs = 800;

/** Stands for an audio worker: speaks the recogniser's protocol over its own port, with audio of its own. */
export class RecogniserClient {
  readonly reports = new EventLog<StreamReport>();
  readonly #port: MessagePort;

  constructor(thread: RecogniserThread) {
    this.#port = thread.connect();
    this.#port.addEventListener("message", (event) => {
      this.reports.add((event as MessageEvent<StreamReport>).data);
    });
    this.#port.start();
  }

  send(command: StreamCommand): void {
    this.#port.postMessage(command);
  }

  /** Opens a stream over audio of `capacityMs`. */
  open(streamId: string, capacityMs = 60_000): RecentAudio {
    const recent = RecentAudio.allocate(capacityMs);
    this.send({ kind: "open", streamId, recent: recent.buffer, fromSample: 0 });
    return recent;
  }

  /** Puts a recording into the stream's audio and marks it as voice. Returns where that voice starts and ends. */
  say(streamId: string, recent: RecentAudio, recording: Recording): { start: number; end: number } {
    const start = recent.written;
    recent.append(quiet(leadMs));
    recent.append(recording.pcm);
    recent.append(quiet(tailMs));
    const end = recent.written;
    this.send({ kind: "voiceStart", streamId, sample: start });
    this.send({ kind: "voiceEnd", streamId, sample: end });
    return { start, end };
  }

  /** Resolves when everything of the stream before `sample` has been recognised. */
  async settled(streamId: string, sample: number, timeoutMs = 60_000): Promise<void> {
    await this.reports.until(
      (report) => report.kind === "settled" && report.streamId === streamId && report.sample >= sample,
      timeoutMs,
    );
  }

  of(streamId: string): StreamReport[] {
    return this.reports.events.filter((report) => "streamId" in report && report.streamId === streamId);
  }

  /** What was recognised in the stream, all finals together. */
  heard(streamId: string): string {
    return this.of(streamId)
      .flatMap((report) => (report.kind === "final" ? [report.text] : []))
      .join(" ");
  }

  /** The states a stream was said to be in, in order. */
  states(streamId: string): string[] {
    return this.of(streamId).flatMap((report) => (report.kind === "state" ? [report.state] : []));
  }

  lost(streamId: string): number {
    return this.of(streamId).reduce((sum, report) => sum + (report.kind === "lost" ? report.samples : 0), 0);
  }

  close(): void {
    this.#port.close();
  }
}
