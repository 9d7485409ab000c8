import { dlopen, FFIType, ptr } from "bun:ffi";
import { describe, expect, test } from "bun:test";
import type { Codec } from "../../workers/codecs/codec.ts";
import { CodecShelf } from "../../workers/codecs/codec-shelf.ts";
import { LibopusLibrary } from "../../workers/codecs/libopus.ts";
import { OpusCodec, packetSamples } from "../../workers/codecs/opus.ts";
import {
  loadOpusscriptModule,
  type OpusscriptHandler,
  OpusscriptLibrary,
} from "../../workers/codecs/opusscript.ts";
import { PcmCodec } from "../../workers/codecs/pcm.ts";
import { hummedSamples, opusPackets } from "../support/opus-packets.ts";
import { seededRandom } from "../support/seeded-random.ts";

function bytesOf(samples: Int16Array): Uint8Array {
  return new Uint8Array(samples.buffer, samples.byteOffset, samples.byteLength);
}

function decodeAll(codec: Codec, frames: readonly Uint8Array[]): Int16Array {
  return new Int16Array(
    Buffer.concat(frames.map((frame) => bytesOf(codec.decode(frame).slice()))).buffer.slice(0),
  );
}

function concatenated(parts: readonly Int16Array[]): number[] {
  return parts.flatMap((part) => [...part]);
}

describe("PCM", () => {
  test("gives the same samples however its bytes are cut into frames", () => {
    const random = seededRandom("cuts of PCM");
    const samples = hummedSamples(5_000, 120);
    const bytes = bytesOf(samples);
    for (let round = 0; round < 100; round++) {
      const codec = new PcmCodec();
      const out: Int16Array[] = [];
      for (let at = 0; at < bytes.length; ) {
        const length = random.chance(0.1) ? 0 : random.integer(1, random.pick([1, 3, 41, 640, 3_201]));
        out.push(codec.decode(bytes.subarray(at, at + length)).slice());
        at += length;
      }
      expect(Buffer.compare(bytesOf(Int16Array.from(concatenated(out))), bytes)).toBe(0);
    }
  });

  test("keeps its place among the samples over any number of missing bytes", () => {
    const random = seededRandom("gaps in PCM");
    // Each sample says its own place, so that one shifted byte shows.
    const samples = Int16Array.from({ length: 20_000 }, (_, i) => i);
    const bytes = bytesOf(samples);
    const codec = new PcmCodec();
    for (let at = 0; at < bytes.length; ) {
      const length = random.integer(0, 50);
      if (random.chance(0.3)) codec.skipped(bytes.subarray(at, at + length).length);
      else {
        const out = codec.decode(bytes.subarray(at, at + length)).slice();
        for (const [i, sample] of out.entries()) {
          expect(sample).toBe((out[0] ?? 0) + i);
          expect(Math.abs(sample - at / 2)).toBeLessThanOrEqual(26);
        }
      }
      at += length;
    }
  });

  test("D-53: forgets half a sample at a reset, so that audio after a reconnect is not shifted", () => {
    const codec = new PcmCodec();
    codec.decode(Uint8Array.of(1, 0, 9));
    codec.reset();
    expect([...codec.decode(Uint8Array.of(2, 0))]).toEqual([2]);
  });
});

describe("an Opus packet's duration", () => {
  test("is what the encoder put in, for every duration up to 60 ms", () => {
    for (const ms of [2.5, 5, 10, 20, 40, 60]) {
      for (const packet of opusPackets(hummedSamples(16_000, 150), ms).slice(0, 5)) {
        expect(packetSamples(packet)).toBe(ms * 16);
      }
    }
  });

  test("is read from the packet's first bytes", () => {
    expect(packetSamples(new Uint8Array(0))).toBeUndefined();
    expect(packetSamples(Uint8Array.of(3))).toBeUndefined();
    expect(packetSamples(Uint8Array.of((3 << 3) | 1))).toBe(120 * 16);
    expect(packetSamples(Uint8Array.of((31 << 3) | 3, 3))).toBe(60 * 16);
    expect(packetSamples(Uint8Array.of((16 << 3) | 0, 0))).toBe(40);
  });
});

describe("Opus", () => {
  const libopus = LibopusLibrary.load();
  const libraries = [new OpusscriptLibrary(), ...(libopus === undefined ? [] : [libopus])];

  /** The largest difference between what the two libraries make of the same packets, some of them damaged. */
  function largestDifference(ms: number): number {
    if (libopus === undefined) throw new Error("the tests need libopus.so.0");
    const random = seededRandom(`packets of ${ms} ms for both libraries`);
    const packets = opusPackets(hummedSamples(32_000, 80 + 10 * ms), ms);
    for (const packet of packets) if (random.chance(0.1)) packet[packet.length - 1] = random.integer(0, 255);
    const one = decodeAll(new OpusCodec(new OpusscriptLibrary(), () => {}), packets);
    const other = decodeAll(new OpusCodec(libopus, () => {}), packets);
    expect(one.length).toBe(packets.length * ms * 16);
    expect(other.length).toBe(one.length);
    return one.reduce((most, sample, i) => Math.max(most, Math.abs(sample - (other[i] ?? 0))), 0);
  }

  test("is the same to the last bit through libopus and through opusscript, for packets as speech has them", () => {
    for (const ms of [10, 20, 40, 60]) expect(largestDifference(ms)).toBe(0);
  });

  test("differs by a rounding of the last bit at most for packets under 10 ms, which are coded in floating point", () => {
    for (const ms of [2.5, 5]) expect(largestDifference(ms)).toBeLessThanOrEqual(1);
  });

  for (const library of libraries) {
    test(`decodes to something like what was said (${library.name})`, () => {
      const samples = hummedSamples(16_000, 120);
      const decoded = decodeAll(new OpusCodec(library, () => {}), opusPackets(samples));
      expect(correlation(samples, decoded)).toBeGreaterThan(0.8);
    });

    test(`answers what is no good packet with silence of its length and goes on (${library.name})`, () => {
      let undecodable = 0;
      const codec = new OpusCodec(library, () => undecodable++);
      const packets = opusPackets(hummedSamples(3_200, 120));
      const good = packets[0] ?? new Uint8Array(0);
      expect(codec.decode(good).length).toBe(320);
      const silent = (packet: Uint8Array) => {
        const pcm = codec.decode(packet);
        expect(pcm.every((sample) => sample === 0)).toBeTrue();
        return pcm.length;
      };
      expect(silent(new Uint8Array(0))).toBe(320);
      expect(silent(Uint8Array.of((3 << 3) | 1, 1, 2))).toBe(120 * 16);
      expect(silent(new Uint8Array(1_276).fill(8))).toBe(320);
      expect(silent(Uint8Array.of((31 << 3) | 3, 63))).toBe(120 * 16);
      expect(undecodable).toBe(4);
      expect(codec.decode(good).length).toBe(320);
      expect(undecodable).toBe(4);
    });
  }

  test("gives every session a new decoder when the WebAssembly module has aborted", () => {
    let loads = 0;
    const usedModules: number[] = [];
    let abort = false;
    const library = new OpusscriptLibrary(() => {
      const load = ++loads;
      const module = loadOpusscriptModule();
      const { OpusScriptHandler: Handler } = module;
      class AbortingHandler implements OpusscriptHandler {
        readonly inner = new Handler(16_000, 1, 2048);

        static destroy_handler(handler: OpusscriptHandler): void {
          if (handler instanceof AbortingHandler) Handler.destroy_handler(handler.inner);
        }

        _decode(packet: number, bytes: number, pcm: number): number {
          usedModules.push(load);
          if (abort) throw new WebAssembly.RuntimeError("unreachable");
          return this.inner._decode(packet, bytes, pcm);
        }

        _encode(): number {
          return -1;
        }
      }
      return Object.create(module, { OpusScriptHandler: { value: AbortingHandler } }) as typeof module;
    });
    const packets = opusPackets(hummedSamples(3_200, 120));
    const codecs = [1, 2, 3].map(() => new OpusCodec(library, () => {}));
    const decodeWithEach = () => codecs.map((codec) => codec.decode(packets[0] ?? new Uint8Array(0)).length);
    expect(decodeWithEach()).toEqual([320, 320, 320]);
    abort = true;
    expect(codecs[0]?.decode(packets[1] ?? new Uint8Array(0)).every((sample) => sample === 0)).toBeTrue();
    abort = false;
    expect(library.deaths).toBe(1);
    expect(decodeWithEach()).toEqual([320, 320, 320]);
    expect(loads).toBe(2);
    expect(usedModules).toEqual([1, 1, 1, 1, 2, 2, 2]);
    for (const codec of codecs) codec.close();
  });
});

describe("LC3", () => {
  const shelf = new CodecShelf("auto");

  test("decodes whole frames back to back, of each of the three sizes", () => {
    const samples = hummedSamples(16_000, 120);
    for (const frameBytes of [20, 40, 60] as const) {
      const frames = lc3Frames(samples, frameBytes);
      let undecodable = 0;
      const codec = shelf.open({ codec: "lc3", frameBytes }, () => undecodable++);
      const messages = [frames.slice(0, 1), frames.slice(1, 11), frames.slice(11)].map((f) =>
        Buffer.concat(f),
      );
      const decoded = decodeAll(codec, messages);
      expect(decoded.length).toBe(frames.length * 160);
      expect(correlation(samples, decoded)).toBeGreaterThan(0.9);
      expect(undecodable).toBe(0);
      codec.close();
    }
  });

  test("leaves out and counts a rest that is no whole frame", () => {
    let undecodable = 0;
    const codec = shelf.open({ codec: "lc3", frameBytes: 40 }, () => undecodable++);
    const frames = lc3Frames(hummedSamples(1_600, 120), 40);
    expect(codec.decode(Buffer.concat([...frames, new Uint8Array(39)])).length).toBe(frames.length * 160);
    expect(undecodable).toBe(1);
    expect(codec.decode(new Uint8Array(39)).length).toBe(0);
    expect(undecodable).toBe(2);
  });

  test("lives through garbage", () => {
    const random = seededRandom("garbage for LC3");
    const codec = shelf.open({ codec: "lc3", frameBytes: 20 }, () => {});
    for (let i = 0; i < 500; i++) expect(codec.decode(random.bytes(60)).length).toBe(480);
  });
});

describe("the codecs of this machine", () => {
  test("are what the system's libraries offer", () => {
    expect(new CodecShelf("auto").available).toEqual({ opus: "libopus", lc3: true });
    expect(new CodecShelf("opusscript").available.opus).toBe("opusscript");
  });
});

function correlation(a: Int16Array, b: Int16Array): number {
  // Codecs delay by a few milliseconds; the best fit within 20 ms counts.
  let best = 0;
  for (let delay = 0; delay < 320; delay++) {
    let [ab, aa, bb] = [0, 0, 0];
    for (let i = 2_000; i + delay < Math.min(a.length, b.length); i += 3) {
      const [x, y] = [a[i] ?? 0, b[i + delay] ?? 0];
      ab += x * y;
      aa += x * x;
      bb += y * y;
    }
    best = Math.max(best, ab / Math.sqrt(aa * bb || 1));
  }
  return best;
}

function lc3Frames(samples: Int16Array, frameBytes: number): Uint8Array[] {
  const { symbols } = dlopen("liblc3.so.0", {
    lc3_encoder_size: { args: [FFIType.i32, FFIType.i32], returns: FFIType.u32 },
    lc3_setup_encoder: { args: [FFIType.i32, FFIType.i32, FFIType.i32, FFIType.ptr], returns: FFIType.ptr },
    lc3_encode: {
      args: [FFIType.ptr, FFIType.i32, FFIType.ptr, FFIType.i32, FFIType.i32, FFIType.ptr],
      returns: FFIType.i32,
    },
  });
  const memory = new Uint8Array(symbols.lc3_encoder_size(10_000, 16_000));
  const encoder = symbols.lc3_setup_encoder(10_000, 16_000, 0, ptr(memory));
  const frames: Uint8Array[] = [];
  for (let from = 0; from + 160 <= samples.length; from += 160) {
    const frame = new Uint8Array(frameBytes);
    symbols.lc3_encode(encoder, 0, samples.subarray(from, from + 160), 1, frameBytes, frame);
    frames.push(frame);
  }
  return frames;
}
