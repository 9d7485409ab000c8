import { expect, test } from "bun:test";
import { liveAndLeaveNothing } from "../support/session-lives.ts";

test("5,000 sessions with apps, photos and timers leave nothing behind", async () => {
  await liveAndLeaveNothing(500);
  Bun.gc(true);
  const before = process.memoryUsage().heapUsed;
  await liveAndLeaveNothing(5_000);
  Bun.gc(true);
  const grown = process.memoryUsage().heapUsed - before;
  process.stdout.write(`heap grown by ${(grown / 1024).toFixed(0)} KiB over 5,000 lives\n`);
  expect(grown).toBeLessThan(4 * 1024 * 1024);
}, 600_000);
