import { describe, expect, test } from "bun:test";
import { limits } from "../../src/kernel/limits.ts";
import { createLog } from "../../src/kernel/log.ts";
import { Metrics } from "../../src/kernel/metrics.ts";
import {
  type Durability,
  type DurabilityEvent,
  nextDurability,
  StoreJournal,
} from "../../src/store/journal.ts";
import type { JournalBatch, KeptSessions, SessionStore } from "../../src/store/store.ts";
import { FakeClock, settle } from "../support/fake-clock.ts";

/** A disk that a test lets finish, fail or hang. */
class FakeDisk implements SessionStore {
  readonly batches: JournalBatch[] = [];
  readonly #answers: PromiseWithResolvers<void>[] = [];
  /** Whether a commit is done at once. */
  fast = true;

  commit(batch: JournalBatch): Promise<void> {
    this.batches.push(batch);
    const answer = Promise.withResolvers<void>();
    if (this.fast) answer.resolve();
    else this.#answers.push(answer);
    return answer.promise;
  }

  async finish(): Promise<void> {
    for (const answer of this.#answers.splice(0)) answer.resolve();
    await settle();
  }

  async fail(message: string): Promise<void> {
    for (const answer of this.#answers.splice(0)) answer.reject(new Error(message));
    await settle();
  }

  loadSessions(): Promise<KeptSessions> {
    return Promise.resolve({ aliveMs: undefined, aheadMs: 0, sessions: [] });
  }
}

const userId = "user@example.com";
const packageName = "com.example.app";

function stage(over: Partial<typeof limits> = {}) {
  const clock = new FakeClock();
  const disk = new FakeDisk();
  const metrics = new Metrics();
  const log = createLog({ level: "silent", format: "json" });
  const journal = new StoreJournal({ store: disk, clock, metrics, log, limits: { ...limits, ...over } });
  const done: number[] = [];
  const keep = (seq: number, body = "{}") =>
    journal.keep({ userId, packageName, seq, body }, () => done.push(seq));
  const kept = () => disk.batches.map(({ events }) => events.map(({ seq }) => seq));
  return { clock, disk, metrics, journal, done, keep, kept };
}

describe("the journal", () => {
  test("commits at once while idle, all of one turn together, and calls back only then", async () => {
    const { disk, done, keep, kept } = stage();
    disk.fast = false;
    keep(1);
    keep(2);
    expect(kept()).toEqual([]);
    await settle();
    expect(kept()).toEqual([[1, 2]]);
    expect(done).toEqual([]);
    await disk.finish();
    expect(done).toEqual([1, 2]);
  });

  test("commits no more often than every 10 ms under load", async () => {
    const { clock, keep, kept } = stage();
    for (let n = 0; n < 100; n++) {
      keep(n);
      await settle();
      clock.advance(1);
    }
    await clock.advanceAsync(limits.commitGroupMs);
    expect(kept().length).toBe(11);
    expect(kept().flat()).toEqual(Array.from({ length: 100 }, (_, n) => n));
  });

  test("reads a session that changes all the time ten times a second, and not before its turn", async () => {
    const { clock, disk, journal } = stage();
    let version = 0;
    for (let ms = 0; ms < 1_000; ms += 10) {
      version++;
      journal.save(userId, () => String(version));
      await clock.advanceAsync(10);
    }
    await clock.advanceAsync(limits.snapshotEveryMs);
    const saved = disk.batches.flatMap(({ sessions }) => sessions.map(({ body }) => body));
    expect(saved[0]).toBe("1");
    expect(saved.at(-1)).toBe("100");
    expect(saved.length).toBeGreaterThanOrEqual(10);
    expect(saved.length).toBeLessThanOrEqual(12);
  });

  test("reads a session out of its turn, together with events that make sense only with what it has become", async () => {
    const { clock, disk, journal, keep } = stage();
    let version = 1;
    const save = (atOnce?: boolean) => journal.save(userId, () => String(version), atOnce);
    save();
    await settle();
    await clock.advanceAsync(limits.commitGroupMs);
    version = 2;
    save();
    version = 3;
    save(true);
    keep(1);
    await settle();
    const { sessions, events } = disk.batches.at(-1) ?? {};
    expect([sessions?.map(({ body }) => body), events?.length]).toEqual([["3"], 1]);
    await clock.advanceAsync(limits.snapshotEveryMs);
    expect(disk.batches.filter(({ sessions: read }) => read.length > 0).length).toBe(2);
  });

  test("reads no more sessions at a stretch than the main loop can spare, each in its turn, but all at the end", async () => {
    const { clock, disk, journal } = stage();
    const users = Array.from({ length: 10 }, (_, n) => `${n}@example.com`);
    const read = () => disk.batches.map(({ sessions }) => sessions.map((session) => session.userId));
    // As long as a slow machine might take for it.
    const slowly = () => {
      clock.advance(1);
      return "{}";
    };
    for (const user of users) journal.save(user, slowly);
    await settle();
    expect(read()).toEqual([users.slice(0, limits.snapshotsMs)]);
    await clock.advanceAsync(limits.commitGroupMs);
    expect(read()[1]).toEqual(users.slice(limits.snapshotsMs, 2 * limits.snapshotsMs));
    await journal.flush();
    expect(read()[2]).toEqual(users.slice(2 * limits.snapshotsMs));
  });

  test("does not keep what was settled or ended before its commit", async () => {
    const { disk, journal, done, keep, kept } = stage();
    keep(1);
    keep(2);
    journal.settle(userId, packageName, 1);
    await settle();
    expect(kept()).toEqual([[2]]);
    expect(disk.batches[0]?.settled).toEqual([{ userId, packageName, upToSeq: 1 }]);
    keep(3);
    journal.save(userId, () => "never");
    journal.end(userId);
    await journal.flush();
    expect(kept()).toEqual([[2], []]);
    expect(disk.batches[1]).toMatchObject({ ended: [userId], sessions: [] });
    expect(done).toEqual([1, 2, 3]);
  });

  test("notes every second that the process lives, while there are sessions", async () => {
    const { clock, disk, journal } = stage();
    await clock.advanceAsync(5_000);
    expect(disk.batches).toEqual([]);
    journal.save(userId, () => "{}");
    await clock.advanceAsync(3_000);
    expect(disk.batches.at(-1)?.aliveMs).toBe(clock.now());
    expect(disk.batches.length).toBe(4);
  });

  test("lets service go on without a disk that hangs, says so, and returns to it by itself", async () => {
    const { clock, disk, metrics, journal, done, keep, kept } = stage();
    disk.fast = false;
    keep(1);
    await clock.advanceAsync(limits.commitPatienceMs - 1);
    expect(done).toEqual([]);
    await clock.advanceAsync(1);
    expect(done).toEqual([1]);
    expect(journal.durability.name).toBe("slow");
    expect((await metrics.durabilityDegraded.get()).values[0]?.value).toBe(1);
    keep(2);
    expect(done).toEqual([1, 2]);
    await disk.finish();
    await clock.advanceAsync(limits.commitGroupMs);
    await disk.finish();
    expect(kept()).toEqual([[1], [2]]);
    expect(journal.durability.name).toBe("durable");
    keep(3);
    expect(done).toEqual([1, 2]);
    await settle();
    await clock.advanceAsync(limits.commitGroupMs);
    await disk.finish();
    expect(done).toEqual([1, 2, 3]);
    expect((await metrics.durabilityDegraded.get()).values[0]?.value).toBe(0);
  });

  test("tries again what a full disk has refused, before what has come since", async () => {
    const { clock, disk, journal, done, keep, kept } = stage();
    disk.fast = false;
    journal.save(userId, () => "state");
    keep(1);
    await settle();
    await disk.fail("database or disk is full");
    expect(journal.durability).toMatchObject({ name: "failing", reason: "database or disk is full" });
    expect(done).toEqual([1]);
    keep(2);
    disk.fast = true;
    await clock.advanceAsync(limits.commitRetryMs);
    expect(kept()).toEqual([[1], [1, 2]]);
    expect(disk.batches[1]?.sessions).toMatchObject([{ body: "state" }]);
    expect(journal.durability.name).toBe("durable");
  });

  test("does not bring back what was settled or ended while the disk failed", async () => {
    const { clock, disk, journal, keep, kept } = stage();
    disk.fast = false;
    keep(1);
    keep(2);
    await settle();
    journal.settle(userId, packageName, 1);
    await disk.fail("full");
    disk.fast = true;
    await clock.advanceAsync(limits.commitRetryMs);
    expect(kept()).toEqual([[1, 2], [2]]);
  });

  test("keeps what a session is like when the disk is back, not what it was when the disk failed", async () => {
    const { clock, disk, journal } = stage();
    disk.fast = false;
    let body = "before";
    journal.save(userId, () => body);
    await settle();
    await disk.fail("full");
    body = "after";
    journal.save(userId, () => body);
    disk.fast = true;
    await clock.advanceAsync(limits.commitRetryMs);
    expect(disk.batches.at(-1)?.sessions).toMatchObject([{ body: "after" }]);
  });

  test("takes nobody for having ended once it is told to close, though its last commit takes long", async () => {
    const { clock, disk, journal, keep } = stage();
    disk.fast = false;
    journal.save(userId, () => "state");
    keep(1);
    const closing = journal.close();
    // The process does not wait for a slow disk: it takes itself apart meanwhile.
    journal.settle(userId, packageName, 1);
    journal.end(userId);
    await settle();
    await disk.finish();
    await clock.advanceAsync(limits.commitGroupMs);
    await disk.finish();
    await closing;
    expect(disk.batches.flatMap(({ ended, settled }) => [...ended, ...settled])).toEqual([]);
    expect(disk.batches.flatMap(({ sessions }) => sessions)).toMatchObject([{ body: "state" }]);
  });

  test("is bounded: the oldest of what a disk does not take is given up, delivered and counted", async () => {
    const { disk, metrics, journal, done, keep } = stage({ journalBytes: 1_000 });
    disk.fast = false;
    for (let n = 0; n < 10; n++) keep(n, "x".repeat(200));
    expect(journal.pending).toBe(3);
    expect(done).toEqual([0, 1, 2, 3, 4, 5, 6]);
    expect((await metrics.eventsUnkept.get()).values[0]?.value).toBe(7);
  });

  test("commits everything at its end, and holds nobody up afterwards", async () => {
    const { disk, journal, done, keep, kept } = stage();
    journal.save(userId, () => "last");
    await journal.flush();
    journal.save(userId, () => "very last");
    keep(1);
    await journal.close();
    expect(kept().flat()).toEqual([1]);
    expect(disk.batches.at(-1)?.sessions).toMatchObject([{ body: "very last" }]);
    keep(2);
    expect(done).toEqual([1, 2]);
    await journal.close();
  });

  test("says at its end that it could not commit everything, and holds nobody up all the same", async () => {
    const { disk, journal, done, keep } = stage();
    disk.fast = false;
    journal.save(userId, () => "last");
    keep(1);
    // `expect(...).rejects` would hold the loop up until that has happened which comes only below it.
    const closed = journal.close().catch((error: unknown) => String(error));
    await settle();
    await disk.fail("database or disk is full");
    expect(await closed).toBe("Error: what must not be lost was not committed: database or disk is full");
    expect(done).toEqual([1]);
    await journal.close();
  });

  test("goes on for everybody else when one of those it calls back throws", async () => {
    const { clock, disk, journal, metrics, done, keep, kept } = stage();
    disk.fast = false;
    journal.keep({ userId, packageName, seq: 1, body: "{}" }, () => {
      throw new Error("broken for a test");
    });
    keep(2);
    await settle();
    await disk.finish();
    expect(done).toEqual([2]);
    keep(3);
    await clock.advanceAsync(limits.commitGroupMs);
    await disk.finish();
    expect(kept()).toEqual([[1, 2], [3]]);
    expect(done).toEqual([2, 3]);
    expect((await metrics.errors.get()).values).toMatchObject([{ labels: { where: "journal" }, value: 1 }]);
  });

  test("says at its end that the disk has not taken what the next process needs", async () => {
    const { disk, journal } = stage();
    disk.fast = false;
    journal.save(userId, () => "state");
    const closing = journal.close();
    closing.catch(() => {});
    await settle();
    await disk.fail("database is locked");
    await expect(closing).rejects.toThrow("was not committed: database is locked");
  });

  test("keeps the last state of a session that cannot be read, and the others' new ones", async () => {
    const { disk, journal, metrics } = stage();
    journal.save("broken@example.com", () => {
      throw new Error("broken for a test");
    });
    journal.save(userId, () => "{}");
    await journal.flush();
    expect(disk.batches[0]?.sessions).toMatchObject([{ userId }]);
    expect((await metrics.errors.get()).values).toMatchObject([{ labels: { where: "snapshot" }, value: 1 }]);
  });
});

test.each<[Durability["name"], DurabilityEvent, Durability["name"]]>([
  ["durable", { kind: "committed", tookMs: 5 }, "durable"],
  ["durable", { kind: "late" }, "slow"],
  ["durable", { kind: "failed", reason: "full" }, "failing"],
  ["slow", { kind: "committed", tookMs: limits.commitPatienceMs + 1 }, "slow"],
  ["slow", { kind: "committed", tookMs: limits.commitPatienceMs }, "durable"],
  ["slow", { kind: "failed", reason: "full" }, "failing"],
  ["failing", { kind: "late" }, "failing"],
  ["failing", { kind: "failed", reason: "full" }, "failing"],
  ["failing", { kind: "committed", tookMs: 5 }, "durable"],
])("durability: %s and %o is %s", (from, event, to) => {
  const state: Durability =
    from === "durable"
      ? { name: from }
      : from === "slow"
        ? { name: from, sinceMs: 1 }
        : { name: from, sinceMs: 1, reason: "before" };
  const next = nextDurability(state, event, 2, limits);
  expect(next.name).toBe(to);
  if (next.name !== "durable") expect(next.sinceMs).toBe(from === "durable" ? 2 : 1);
});
