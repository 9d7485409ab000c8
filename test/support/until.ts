/**
 * Resolves with what `look` returns as soon as that is neither false nor undefined; looks again with every turn of the
 * event loop. Rejects after `timeoutMs`, naming what did not come.
 */
export async function until<Value>(
  what: string,
  look: () => Value | false | undefined | Promise<Value | false | undefined>,
  timeoutMs = 10_000,
): Promise<Value> {
  const deadline = performance.now() + timeoutMs;
  for (;;) {
    const seen = await look();
    if (seen !== false && seen !== undefined) return seen;
    if (performance.now() > deadline) throw new Error(`waited ${timeoutMs} ms in vain for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
}
