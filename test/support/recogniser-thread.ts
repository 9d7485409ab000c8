import {
  heartbeatWords,
  type RecogniserCommand,
  type RecogniserReport,
} from "../../src/audio/recogniser-commands.ts";
import { EventLog } from "./event-log.ts";

/** Debian's English model. */
export const modelDir = "/usr/share/pocketsphinx/model/en-us";

type StartCommand = Extract<RecogniserCommand, { kind: "start" }>;

/** The real recogniser worker, started as the pool starts it. */
export class RecogniserThread {
  readonly reports = new EventLog<RecogniserReport>();
  readonly #heartbeat = new Int32Array(new SharedArrayBuffer(8));
  readonly #worker: Worker;

  constructor(settings: Partial<StartCommand> = {}) {
    this.#worker = new Worker(new URL("../../workers/recogniser-worker.ts", import.meta.url));
    this.#worker.onmessage = (event: MessageEvent<RecogniserReport>) => this.reports.add(event.data);
    this.#send({
      kind: "start",
      heartbeat: this.#heartbeat.buffer as SharedArrayBuffer,
      modelDir,
      decoders: 1,
      utteranceQueue: 16,
      interimMs: 200,
      utteranceMs: 20_000,
      ...settings,
    });
  }

  /** Signs of life so far. */
  get beats(): number {
    return Atomics.load(this.#heartbeat, heartbeatWords.beat);
  }

  /** An audio worker's end of a new port. */
  connect(): MessagePort {
    const { port1, port2 } = new MessageChannel();
    this.#worker.postMessage({ kind: "connect", port: port2 } satisfies RecogniserCommand, [port2]);
    return port1;
  }

  /** Ends the thread the way the pool does: it frees its decoders first. */
  async stop(): Promise<void> {
    this.#send({ kind: "stop" });
    await this.reports.until((report) => report.kind === "stopped");
    this.#worker.terminate();
  }

  #send(command: RecogniserCommand): void {
    this.#worker.postMessage(command);
  }
}
