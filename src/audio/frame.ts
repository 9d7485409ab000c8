import type { AudioFormat } from "../wire/audio-format.ts";

/** What the records of a lane's ring are. Everything that must keep its place among the samples is one of them. */
export const frameKinds = {
  /** One frame as the glasses sent it. */
  audio: 1,
  /** What follows is in another format; the payload is its `formatCode`. */
  format: 2,
  voiceOn: 3,
  voiceOff: 4,
  /** A new stream of bytes begins: a rest of the former one is void. */
  reset: 5,
  /** Bytes of the stream are missing here; the payload is how many, as 32 bits. */
  gap: 6,
} as const;

/** A format as one number, for a shared word and for a record. */
export function formatCode(format: AudioFormat): number {
  switch (format.codec) {
    case "pcm":
      return 0;
    case "opus":
      return 1;
    case "lc3":
      return format.frameBytes;
  }
}

/** Undoes `formatCode`. */
export function formatOfCode(code: number): AudioFormat {
  switch (code) {
    case 1:
      return { codec: "opus" };
    case 20:
    case 40:
    case 60:
      return { codec: "lc3", frameBytes: code };
    default:
      return { codec: "pcm" };
  }
}

/** A number as the four bytes of a record's payload. The result is valid until the next call. */
export function numberPayload(value: number): Uint8Array {
  numberWord[0] = value;
  return numberBytes;
}

/** Undoes `numberPayload`. */
export function numberOfPayload(payload: Uint8Array): number {
  return (payload[0] ?? 0) | ((payload[1] ?? 0) << 8) | ((payload[2] ?? 0) << 16) | ((payload[3] ?? 0) << 24);
}

const numberWord = new Int32Array(1);
const numberBytes = new Uint8Array(numberWord.buffer);
export const noPayload: Uint8Array = new Uint8Array(0);
