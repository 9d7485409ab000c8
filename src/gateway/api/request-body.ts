/** The body of a request, or that it has more than the allowed bytes. */
export type RequestBody = { readonly text: string } | { readonly tooLarge: true };

/** Reads a body as text, and no further than `mostBytes`, whatever the request announces. */
export async function readBody(request: Request, mostBytes: number): Promise<RequestBody> {
  if (Number(request.headers.get("content-length") ?? 0) > mostBytes) return { tooLarge: true };
  if (request.body === null) return { text: "" };
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of request.body) {
    bytes += chunk.byteLength;
    if (bytes > mostBytes) return { tooLarge: true };
    chunks.push(chunk);
  }
  return { text: Buffer.concat(chunks).toString("utf8") };
}

/** A body that is absent or no JSON is undefined: some clients announce JSON and send nothing. */
export function parseBody(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
