import { Deepgram, type DeepgramSettings } from "../../workers/stt/cloud/deepgram.ts";
import type {
  CloudConnection,
  CloudVendor,
  ConnectionSink,
  ConnectOptions,
} from "../../workers/stt/cloud/vendor.ts";
import type { VendorCommand, VendorReport } from "./vendor-thread.ts";

/** Deepgram as it is in service: in a worker. Each call and each report is one message. */
export class DeepgramInWorker implements CloudVendor {
  readonly id = "deepgram";
  readonly capabilities;
  readonly #here: Deepgram;
  readonly #worker = new Worker(new URL("./vendor-thread.ts", import.meta.url).href);
  readonly #sinks: ConnectionSink[] = [];

  /** The settings have to survive a message: no token functions. */
  constructor(settings: DeepgramSettings) {
    this.#here = new Deepgram(settings);
    this.capabilities = this.#here.capabilities;
    this.#worker.onmessage = ({ data }: MessageEvent<VendorReport>) => {
      const sink = this.#sinks[data.number];
      const { reported } = data;
      if (reported.kind === "open") sink?.onOpen();
      else if (reported.kind === "end") sink?.onEnd(reported.failure);
      else sink?.onEvent(reported);
    };
    this.#tell({ kind: "start", settings });
  }

  supports(language: string): boolean {
    return this.#here.supports(language);
  }

  connect({ signal, ...options }: ConnectOptions, sink: ConnectionSink): CloudConnection {
    const number = this.#sinks.push(sink) - 1;
    this.#tell({ kind: "connect", number, options });
    const abort = () => this.#tell({ kind: "abort", number });
    if (signal.aborted) abort();
    signal.addEventListener("abort", abort, { once: true });
    return {
      bufferedBytes: 0,
      write: (pcm, startSample) => this.#tell({ kind: "write", number, pcm, startSample }),
      keepAlive: () => this.#tell({ kind: "keepAlive", number }),
      finalize: () => this.#tell({ kind: "finalize", number }),
      close: (graceMs) => this.#tell({ kind: "close", number, graceMs }),
    };
  }

  stop(): void {
    this.#worker.terminate();
  }

  #tell(command: VendorCommand): void {
    this.#worker.postMessage(command);
  }
}
