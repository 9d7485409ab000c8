import type { PassedFrame } from "./socket-cutter.ts";

/** A press on its way to an app. */
export interface PassedPress {
  readonly seq: number;
  readonly press: number;
  readonly atMs: number;
}

export interface PassedPresses {
  /** Presses that were not confirmed when a connection was cut, with their age at that moment. */
  readonly open: ReadonlyMap<number, number>;
  /** Those that have not been confirmed since the last cut. */
  readonly unconfirmed: readonly PassedPress[];
  /** The highest that has passed; 0: none. */
  readonly highest: number;
  /** The longest that a numbered ping has waited for its pong, in milliseconds. */
  readonly roundTripMs: number;
}

/** What the frames on their way between the server and an app say of presses. */
export function passedPresses(passed: readonly PassedFrame[], packageName: string): PassedPresses {
  const open = new Map<number, number>();
  const asked = new Map<number, number>();
  let unconfirmed: PassedPress[] = [];
  let highest = 0;
  let roundTripMs = 0;
  for (const frame of passed) {
    if (frame.packageName !== packageName) continue;
    const { atMs } = frame;
    switch (frame.kind) {
      case "message": {
        const { type, streamType, seq, data } = frame.message;
        if (type !== "data_stream" || streamType !== "button_press" || seq === undefined) break;
        const press = Number((data as { buttonId: string }).buttonId);
        unconfirmed.push({ seq, press, atMs });
        highest = Math.max(highest, press);
        break;
      }
      case "ping":
        asked.set(frame.seq, atMs);
        break;
      case "receipt":
        unconfirmed = unconfirmed.filter(({ seq }) => seq > frame.seq);
        roundTripMs = Math.max(roundTripMs, atMs - (asked.get(frame.seq) ?? atMs));
        break;
      case "cut":
        for (const { press, atMs: passedMs } of unconfirmed) {
          if (!open.has(press)) open.set(press, atMs - passedMs);
        }
        asked.clear();
    }
  }
  return { open, unconfirmed, highest, roundTripMs };
}
