/** Reads a ring until the record of kind 2, checks every record, and reports what it saw. */
import { RingReader } from "../../src/audio/ring.ts";
import { guardedRing } from "./ring-memory.ts";

declare const self: Worker;

self.onmessage = (event: MessageEvent<{ buffer: SharedArrayBuffer; dataBytes: number }>) => {
  const { buffer, dataBytes } = event.data;
  const reader = new RingReader(guardedRing(dataBytes, 0, buffer, false).memory);
  const into = new Uint8Array(dataBytes);
  let read = 0;
  let bad = 0;
  const turn = (): void => {
    for (let i = 0; i < 200; i++) {
      if (!reader.next()) break;
      const { kind, sequence, stamp, length } = reader;
      reader.take(into);
      if (kind === 2) {
        self.postMessage({ read, bad });
        return;
      }
      let right = sequence === read && stamp === read * 7;
      for (let at = 0; at < length && right; at++) right = into[at] === ((read * 31 + at) & 0xff);
      if (!right) bad++;
      read++;
    }
    setImmediate(turn);
  };
  turn();
};
