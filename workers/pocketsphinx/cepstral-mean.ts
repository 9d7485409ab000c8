import { ptr, read } from "bun:ffi";
import { readFileSync } from "node:fs";
import type { Library, NativePointer } from "./library.ts";

/** Coefficients of one cepstrum. */
const meanLength = 13;
/** Where the feature computation keeps the pointer to its mean, in the builds of this soname. */
const pointerOffset = 88;
/** Where the mean's own record keeps its length. */
const lengthOffset = 28;

/**
 * A decoder's running cepstral mean: how this speaker sounds through this microphone. A decoder that has it from the
 * session's earlier words makes about a fifth fewer mistakes, so it follows the session from decoder to decoder. The
 * library offers no access, so the place in memory is known by measurement and proved before it is trusted.
 */
export class CepstralMean {
  readonly #library: Library;
  readonly #record: NativePointer;

  private constructor(library: Library, record: NativePointer) {
    this.#library = library;
    this.#record = record;
  }

  /**
   * Finds the mean of a decoder that has heard nothing yet.
   * @returns undefined when what lies there is not the model's initial mean: then this is another build, hands off.
   */
  static find(
    library: Library,
    decoder: NativePointer,
    initial: readonly number[],
  ): CepstralMean | undefined {
    const mapped = mappedRanges();
    const feature = library.ps_get_feat(decoder);
    if (feature === null || !lies(mapped, Number(feature), pointerOffset + 8)) return undefined;
    const record = read.ptr(feature, pointerOffset);
    if (!lies(mapped, record, lengthOffset + 4) || read.i32(record, lengthOffset) !== meanLength) {
      return undefined;
    }
    const values = read.ptr(record, 0);
    if (!lies(mapped, values, meanLength * 4) || initial.length !== meanLength) return undefined;
    const found = new CepstralMean(library, BigInt(record));
    const current = found.get();
    return initial.every((value, i) => Math.abs(value - (current[i] ?? 0)) < 0.01) ? found : undefined;
  }

  get(): Float32Array {
    const values = new Float32Array(meanLength);
    this.#library.cmn_live_get(this.#record, ptr(values));
    return values;
  }

  set(values: Float32Array): void {
    this.#library.cmn_live_set(this.#record, ptr(values));
  }
}

/** The mean that an acoustic model starts with, from its `feat.params`. Empty when it names none. */
export function initialMean(acousticModelDir: string): number[] {
  const params = readFileSync(`${acousticModelDir}/feat.params`, "utf8");
  const list = /^-cmninit\s+(\S+)/m.exec(params)?.[1];
  return list === undefined ? [] : list.split(",").map(Number);
}

type Range = readonly [start: number, end: number];

/** Readable memory of this process: following a wrong pointer would end the whole server, not just throw. */
function mappedRanges(): Range[] {
  let maps: string;
  try {
    maps = readFileSync("/proc/self/maps", "utf8");
  } catch {
    return [];
  }
  return [...maps.matchAll(/^([0-9a-f]+)-([0-9a-f]+) r/gm)].map((match) => [
    Number.parseInt(match[1] ?? "", 16),
    Number.parseInt(match[2] ?? "", 16),
  ]);
}

function lies(ranges: readonly Range[], pointer: number, bytes: number): boolean {
  return pointer % 8 === 0 && ranges.some(([start, end]) => pointer >= start && pointer + bytes <= end);
}
