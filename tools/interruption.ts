/**
 * One Ctrl-C comes more than once: the terminal signals every process of the group, and a command runner passes its own
 * on. Within this time it is still the same one.
 */
const sameSignalMs = 1_000;

/** Resolves when the process is told to end. Told again later than that, it ends at once. */
export function interruption(): Promise<void> {
  return new Promise((resolve) => {
    let firstMs: number | undefined;
    const onSignal = () => {
      const nowMs = performance.now();
      firstMs ??= nowMs;
      if (nowMs - firstMs > sameSignalMs) process.exit(130);
      resolve();
    };
    process.on("SIGINT", onSignal);
    process.on("SIGTERM", onSignal);
  });
}
