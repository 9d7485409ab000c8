import { bodyPieces, TooManyChunks } from "../body-pieces.ts";

/** The body of a request, or why there is none. */
export type RequestBody =
  | { readonly text: string }
  /** More than the allowed bytes. */
  | { readonly refused: "too_large" }
  | { readonly refused: "too_many_chunks" }
  /** It was called off. */
  | { readonly refused: "too_late" };

/** Reads a body as text, and no further than `mostBytes`, whatever the request announces. */
export async function readBody(
  request: Request,
  mostBytes: number,
  signal?: AbortSignal,
): Promise<RequestBody> {
  if (Number(request.headers.get("content-length") ?? 0) > mostBytes) return { refused: "too_large" };
  const pieces: Uint8Array[] = [];
  let bytes = 0;
  try {
    for await (const piece of bodyPieces(request, signal)) {
      bytes += piece.byteLength;
      if (bytes > mostBytes) return { refused: "too_large" };
      pieces.push(piece);
    }
  } catch (error) {
    if (error instanceof TooManyChunks) return { refused: "too_many_chunks" };
    throw error;
  }
  if (signal?.aborted) return { refused: "too_late" };
  return { text: Buffer.concat(pieces).toString("utf8") };
}

/**
 * Whether a request keeps back how large its body is. Who has not said who it is has to tell: a body of unknown length in
 * chunks of a byte each costs the server a thousand times what it costs its sender.
 */
export function hidesLength(request: Request): boolean {
  return request.headers.has("transfer-encoding");
}

/** A body that is absent or no JSON is undefined: some clients announce JSON and send nothing. */
export function parseBody(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
