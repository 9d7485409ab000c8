import { sampleRate } from "./recent-audio.ts";

/**
 * Reads a WAV file of 16-bit PCM, any rate and any number of channels, as mono at 16 kHz.
 * @throws Error saying what is wrong with a file that is something else.
 */
export function readWav(file: Uint8Array): Int16Array {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  if (file.length < 12 || tag(file, 0) !== "RIFF" || tag(file, 8) !== "WAVE")
    throw new Error("not a WAV file");
  let format: { channels: number; rate: number } | undefined;
  for (let at = 12; at + 8 <= file.length; ) {
    const body = at + 8;
    const size = view.getUint32(at + 4, true);
    switch (tag(file, at)) {
      case "fmt ":
        format = readFormat(view, body, size);
        break;
      case "data":
        if (format === undefined) throw new Error("the WAV file has no format before its samples");
        // Writers that stream leave a size of 0 or of 2^32 - 1: what is there counts.
        return resample(
          mixDown(view, body, Math.min(size || file.length, file.length - body), format.channels),
          format.rate,
        );
    }
    // Chunks are padded to an even size.
    at = body + size + (size & 1);
  }
  throw new Error("the WAV file has no samples");
}

/** Writes mono 16 kHz samples as a WAV file. */
export function writeWav(samples: Int16Array): Uint8Array<ArrayBuffer> {
  const headerBytes = 44;
  const file = new Uint8Array(headerBytes + samples.length * 2);
  const view = new DataView(file.buffer);
  const text = (at: number, value: string) => file.set(new TextEncoder().encode(value), at);
  text(0, "RIFF");
  view.setUint32(4, file.length - 8, true);
  text(8, "WAVEfmt ");
  view.setUint32(16, 16, true);
  view.setUint16(20, 1, true);
  view.setUint16(22, 1, true);
  view.setUint32(24, sampleRate, true);
  view.setUint32(28, sampleRate * 2, true);
  view.setUint16(32, 2, true);
  view.setUint16(34, 16, true);
  text(36, "data");
  view.setUint32(40, samples.length * 2, true);
  samples.forEach((sample, i) => {
    view.setInt16(headerBytes + i * 2, sample, true);
  });
  return file;
}

function tag(file: Uint8Array, at: number): string {
  return String.fromCharCode(...file.subarray(at, at + 4));
}

function readFormat(view: DataView, at: number, size: number): { channels: number; rate: number } {
  if (size < 16 || at + 16 > view.byteLength) throw new Error("the WAV file's format is cut off");
  const encoding = view.getUint16(at, true);
  const channels = view.getUint16(at + 2, true);
  const rate = view.getUint32(at + 4, true);
  const bits = view.getUint16(at + 14, true);
  // 0xfffe is the extensible header, which says the same further down.
  if ((encoding !== 1 && encoding !== 0xfffe) || bits !== 16) {
    throw new Error(`the WAV file holds ${bits}-bit samples of encoding ${encoding}, not 16-bit PCM`);
  }
  if (channels === 0 || rate === 0) throw new Error("the WAV file names no channels or no sample rate");
  return { channels, rate };
}

function mixDown(view: DataView, at: number, bytes: number, channels: number): Int16Array {
  const samples = new Int16Array(Math.floor(bytes / (2 * channels)));
  for (let i = 0; i < samples.length; i++) {
    let sum = 0;
    for (let channel = 0; channel < channels; channel++) {
      sum += view.getInt16(at + 2 * (i * channels + channel), true);
    }
    samples[i] = Math.round(sum / channels);
  }
  return samples;
}

/**
 * To 16 kHz. A higher rate is averaged over each target sample's span first, which keeps most of what lies above the new
 * band from folding into it; then samples are interpolated linearly. Good enough for speech.
 */
function resample(samples: Int16Array, rate: number): Int16Array {
  if (rate === sampleRate) return samples;
  const step = rate / sampleRate;
  const half = Math.floor(step / 2);
  const last = samples.length - 1;
  const smooth = (i: number) => {
    let sum = 0;
    for (let k = i - half; k <= i + half; k++) sum += samples[Math.min(Math.max(k, 0), last)] ?? 0;
    return sum / (2 * half + 1);
  };
  const result = new Int16Array(Math.floor(samples.length / step));
  for (let i = 0; i < result.length; i++) {
    const position = i * step;
    const before = Math.floor(position);
    const share = position - before;
    result[i] = Math.round(smooth(before) * (1 - share) + smooth(before + 1) * share);
  }
  return result;
}
