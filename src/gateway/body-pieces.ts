/**
 * A body in chunks so small that they can only be meant to keep the server busy: each costs the main loop far more than its
 * bytes are worth.
 */
export class TooManyChunks extends Error {
  constructor() {
    super("The body comes in too many small chunks");
    this.name = "TooManyChunks";
  }
}

const blockBytes = 64 * 1024;
/** A chunk of this size is worth keeping as it is; a smaller one is copied into a block. */
const largeBytes = blockBytes / 4;
/** Other work of the main loop gets its turn after this many chunks. */
const chunksPerTurn = 64;
/** So many chunks may be of any size, then they have to have this many bytes on average. */
const freeChunks = 1_024;
const leastBytesPerChunk = 32;

/**
 * The bytes of a body in few and large pieces, however small the chunks are in which they come.
 * Lets others have the main loop in between. A piece stays valid.
 * @param signal that calls it off.
 * @throws TooManyChunks
 */
export async function* bodyPieces(request: Request, signal?: AbortSignal): AsyncGenerator<Uint8Array> {
  const reader = request.body?.getReader();
  if (reader === undefined) return;
  const cancel = () => void reader.cancel().catch(() => {});
  signal?.addEventListener("abort", cancel, { once: true });
  const block = new Block();
  let chunks = 0;
  let bytes = 0;
  try {
    while (!signal?.aborted) {
      const { done, value } = await reader.read();
      if (done) break;
      bytes += value.byteLength;
      if (++chunks > freeChunks && bytes < chunks * leastBytesPerChunk) throw new TooManyChunks();
      if (chunks % chunksPerTurn === 0) await nextTurn();
      if (!block.hasRoomFor(value)) yield block.take();
      if (value.byteLength >= largeBytes && block.isEmpty) yield value;
      else block.add(value);
    }
    if (!signal?.aborted && !block.isEmpty) yield block.take();
  } finally {
    signal?.removeEventListener("abort", cancel);
    cancel();
  }
}

/** Gathers small chunks. */
class Block {
  /** Grows to the size of a block only for bodies that fill one. */
  #bytes = new Uint8Array(1_024);
  #length = 0;

  get isEmpty(): boolean {
    return this.#length === 0;
  }

  hasRoomFor(chunk: Uint8Array): boolean {
    return this.isEmpty || this.#length + chunk.byteLength <= blockBytes;
  }

  add(chunk: Uint8Array): void {
    const length = this.#length + chunk.byteLength;
    if (length > this.#bytes.byteLength) {
      const grown = new Uint8Array(Math.min(blockBytes, Math.max(length, this.#bytes.byteLength * 4)));
      grown.set(this.#bytes.subarray(0, this.#length));
      this.#bytes = grown;
    }
    this.#bytes.set(chunk, this.#length);
    this.#length = length;
  }

  take(): Uint8Array {
    const full = this.#bytes.subarray(0, this.#length);
    this.#bytes = new Uint8Array(1_024);
    this.#length = 0;
    return full;
  }
}

function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
