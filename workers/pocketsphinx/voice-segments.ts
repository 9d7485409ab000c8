/** A run of samples that holds speech. Without `end` it is still going on. */
export interface VoiceSegment {
  readonly start: number;
  readonly end: number | undefined;
}

/** More segments than this wait in no session; beyond it neighbours are joined over the silence between them. */
const maxSegments = 16;

/**
 * What the voice detector has marked as speech and nobody has recognised yet, in order and without overlap. Bounded:
 * when there are too many, the last one grows over the silence instead.
 */
export class VoiceSegments {
  readonly #segments: { start: number; end: number | undefined }[] = [];
  /** Everything before it is done with. */
  #settled: number;

  constructor(fromSample: number) {
    this.#settled = fromSample;
  }

  get settled(): number {
    return this.#settled;
  }

  get first(): VoiceSegment | undefined {
    return this.#segments[0];
  }

  get all(): readonly VoiceSegment[] {
    return this.#segments;
  }

  /** Speech begins. A start inside or right at the end of the last segment continues that one. */
  start(sample: number): void {
    const start = Math.max(sample, this.#settled);
    const last = this.#segments.at(-1);
    if (last !== undefined && last.end === undefined) return;
    if (last?.end !== undefined && (start <= last.end || this.#segments.length === maxSegments)) {
      last.end = undefined;
    } else {
      this.#segments.push({ start, end: undefined });
    }
  }

  end(sample: number): void {
    const last = this.#segments.at(-1);
    if (last !== undefined && last.end === undefined) last.end = Math.max(sample, last.start);
  }

  /** Forgets all segments. */
  clear(): void {
    this.#segments.length = 0;
  }

  /** Everything before `sample` is done with. Never goes back. */
  settle(sample: number): void {
    this.#settled = Math.max(this.#settled, sample);
    const first = this.#segments[0];
    if (first === undefined) return;
    if (first.end !== undefined && first.end <= this.#settled) {
      this.#segments.shift();
      this.settle(this.#settled);
    } else {
      first.start = Math.max(first.start, this.#settled);
    }
  }
}
