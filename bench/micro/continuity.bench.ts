import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { limits } from "../../src/kernel/limits.ts";
import { Outbox } from "../../src/session/outbox.ts";
import { SqliteDatabase } from "../../src/store/sqlite-database.ts";
import { type MicroGroup, measureCalls } from "./micro-bench.ts";

const userId = "user@example.com";
const packageName = "com.example.captions";
const timestamp = "2026-01-01T00:00:00.000Z";
const message = {
  type: "data_stream",
  sessionId: `${userId}-${packageName}`,
  streamType: "transcription:en-US",
  data: { type: "transcription", text: "turn on the lights in the kitchen", isFinal: true },
} as const;
/** Events that wait for one commit while there is much to do. */
const batchEvents = 50;
/** About what a session with two apps comes to. */
const snapshot = JSON.stringify({ apps: "a".repeat(4_000) });

/** What it costs that nothing is lost. The commits are the store thread's. */
export const continuityGroups: readonly MicroGroup[] = [
  {
    name: "continuity: an event that must arrive",
    baseline: "outbox: add, send, confirm",
    open: () => {
      const dir = mkdtempSync(join(tmpdir(), "browline-bench-"));
      const database = new SqliteDatabase(join(dir, "browline.db"));
      let seq = 0;
      const batch = (events: number, sessions: number) => () =>
        database.commit({
          ended: [],
          settled: events === 0 ? [] : [{ userId, packageName, upToSeq: seq }],
          events: Array.from({ length: events }, () => ({
            userId,
            packageName,
            seq: ++seq,
            body: JSON.stringify(message),
          })),
          sessions: Array.from({ length: sessions }, () => ({ userId, savedMs: seq, body: snapshot })),
          aliveMs: seq,
        });
      return {
        cases: [
          { name: "outbox: add, send, confirm", measure: () => measureCalls(throughOutbox()) },
          { name: "commit of one event", measure: () => measureCalls(batch(1, 0)) },
          { name: `commit of ${batchEvents} events`, measure: () => measureCalls(batch(batchEvents, 0)) },
          { name: "commit of one snapshot of 4 kB", measure: () => measureCalls(batch(0, 1)) },
        ],
        close: () => {
          database.close();
          rmSync(dir, { recursive: true, force: true });
        },
      };
    },
  },
];

function throughOutbox(): () => unknown {
  const outbox = new Outbox(limits, 1);
  return () => {
    const { event } = outbox.add(message, "must", "", timestamp);
    event.ready = true;
    const { next } = outbox;
    outbox.sent(0);
    return outbox.confirm(next?.numbered.seq ?? 0);
  };
}
