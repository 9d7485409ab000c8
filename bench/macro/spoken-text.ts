/** What the speech service of the bench says: the moment at which it says it. */
export function spokenText(nowMs: number): string {
  return `said at ${nowMs.toFixed(3)}`;
}

/** When something was said, found in whatever message it came in; undefined where there is no such thing. */
export function readSpokenMs(message: string): number | undefined {
  const found = /said at (\d+\.\d{3})(?!.*said at)/.exec(message)?.[1];
  return found === undefined ? undefined : Number(found);
}
