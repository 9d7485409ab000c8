/** A worker with a cloud vendor in it, driven by messages. */
import { Deepgram, type DeepgramSettings } from "../../workers/stt/cloud/deepgram.ts";
import type { CloudConnection, CloudVendor, ConnectOptions } from "../../workers/stt/cloud/vendor.ts";
import type { Reported } from "./recorded-connection.ts";

declare const self: Worker;

export type VendorCommand =
  | { readonly kind: "start"; readonly settings: DeepgramSettings }
  | { readonly kind: "connect"; readonly number: number; readonly options: Omit<ConnectOptions, "signal"> }
  | {
      readonly kind: "write";
      readonly number: number;
      readonly pcm: Int16Array;
      readonly startSample: number;
    }
  | { readonly kind: "keepAlive" | "finalize" | "abort"; readonly number: number }
  | { readonly kind: "close"; readonly number: number; readonly graceMs: number };

export interface VendorReport {
  readonly number: number;
  readonly reported: Reported;
}

const connections = new Map<number, { connection: CloudConnection; abort: AbortController }>();
let vendor: CloudVendor | undefined;

function connect(number: number, options: Omit<ConnectOptions, "signal">): void {
  const post = (reported: Reported) => self.postMessage({ number, reported } satisfies VendorReport);
  const abort = new AbortController();
  const connection = vendor?.connect(
    { ...options, signal: abort.signal },
    {
      onOpen: () => post({ kind: "open" }),
      onEvent: post,
      onEnd: (failure) => post({ kind: "end", failure }),
    },
  );
  if (connection !== undefined) connections.set(number, { connection, abort });
}

self.onmessage = ({ data: command }: MessageEvent<VendorCommand>) => {
  if (command.kind === "start") {
    vendor = new Deepgram(command.settings);
    return;
  }
  if (command.kind === "connect") {
    connect(command.number, command.options);
    return;
  }
  const known = connections.get(command.number);
  if (known === undefined) return;
  const { connection, abort } = known;
  switch (command.kind) {
    case "write":
      connection.write(command.pcm, command.startSample);
      return;
    case "close":
      connection.close(command.graceMs);
      return;
    case "abort":
      abort.abort();
      return;
    default:
      connection[command.kind]();
  }
};
