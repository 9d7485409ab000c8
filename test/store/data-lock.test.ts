import { afterEach, beforeEach, expect, test } from "bun:test";
import { mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { SystemClock } from "../../src/kernel/clock.ts";
import { DataLock } from "../../src/store/data-lock.ts";
import { FakeClock } from "../support/fake-clock.ts";

const source = new URL("../../src/store/data-lock.ts", import.meta.url).pathname;
const clockSource = new URL("../../src/kernel/clock.ts", import.meta.url).pathname;
let folder: string;
const children: Bun.Subprocess[] = [];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "browline-lock-"));
});
afterEach(async () => {
  for (const child of children.splice(0)) {
    child.kill("SIGKILL");
    await child.exited;
  }
  rmSync(folder, { recursive: true });
});

/** Another process that holds the lock, once this resolves. */
async function holder(): Promise<Bun.Subprocess> {
  const code = `
    const { DataLock } = await import(${JSON.stringify(source)});
    const { SystemClock } = await import(${JSON.stringify(clockSource)});
    globalThis.lock = await DataLock.take(${JSON.stringify(folder)}, new SystemClock(() => {}), 0);
    console.log("held");
    setInterval(() => {}, 1_000);`;
  const child = Bun.spawn([process.execPath, "-e", code], { stdio: ["ignore", "pipe", "inherit"] });
  children.push(child);
  for await (const chunk of child.stdout) if (new TextDecoder().decode(chunk).includes("held")) break;
  return child;
}

test("a folder that another process holds is refused in one line, and is free the moment that is killed", async () => {
  const child = await holder();
  await expect(DataLock.take(folder, new FakeClock(), 0)).rejects.toThrow(
    `The data folder ${folder} is in use by another server; stop that one, or set BROWLINE_DATA_DIR to another folder`,
  );
  child.kill("SIGKILL");
  await child.exited;
  const lock = await DataLock.take(folder, new FakeClock(), 0);
  lock.release();
});

test("whoever may wait has it when the other process ends", async () => {
  const child = await holder();
  const taking = DataLock.take(folder, new SystemClock(() => {}), 60_000);
  child.kill("SIGKILL");
  (await taking).release();
});

test("it can be taken again once it is released, and releasing it twice does not take it from the next", async () => {
  const clock = new FakeClock();
  const first = await DataLock.take(folder, clock, 0);
  await expect(DataLock.take(folder, clock, 0)).rejects.toThrow("in use by another server");
  first.release();
  const second = await DataLock.take(folder, clock, 0);
  first.release();
  await expect(DataLock.take(folder, clock, 0)).rejects.toThrow("in use by another server");
  second.release();
});

test("its file is for its owner only", async () => {
  const before = process.umask(0);
  try {
    (await DataLock.take(folder, new FakeClock(), 0)).release();
  } finally {
    process.umask(before);
  }
  expect(statSync(join(folder, "browline.lock")).mode & 0o777).toBe(0o600);
});

test("a folder in which it cannot be is refused in one line", async () => {
  const nowhere = join(folder, "nowhere");
  await expect(DataLock.take(nowhere, new FakeClock(), 0)).rejects.toThrow(
    /^The lock .*browline\.lock of the data folder cannot be used: [^\n]+$/,
  );
});
