import { expect, test } from "bun:test";
import { settle } from "../support/fake-clock.ts";
import { liveAndLeaveNothing } from "../support/session-lives.ts";

/** What is left after everything that can be collected has been: one collection alone leaves what others held on to. */
async function heapBytes(): Promise<number> {
  for (let i = 0; i < 5; i++) {
    Bun.gc(true);
    await settle();
  }
  return process.memoryUsage().heapUsed;
}

test("5,000 sessions with apps, photos and timers leave nothing behind", async () => {
  await liveAndLeaveNothing(500);
  const before = await heapBytes();
  await liveAndLeaveNothing(5_000);
  // The collector may still see the world that was used last, with its store of users: the same small one both times.
  await liveAndLeaveNothing(500);
  const grown = (await heapBytes()) - before;
  process.stdout.write(`heap grown by ${(grown / 1024).toFixed(0)} KiB over 5,000 lives\n`);
  expect(grown).toBeLessThan(2 * 1024 * 1024);
}, 600_000);
