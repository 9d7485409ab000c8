import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { takeLock } from "../../tools/process-lock.ts";

let folder: string;
let file: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "browline-lock-"));
  file = join(folder, "lock");
});
afterEach(() => rmSync(folder, { recursive: true }));

describe("a lock between processes", () => {
  test("has one owner until it is given back", () => {
    const release = takeLock(file);
    expect(release).toBeDefined();
    expect(takeLock(file)).toBeUndefined();
    release?.();
    expect(takeLock(file)).toBeDefined();
  });

  test("is taken over from an owner that has died", async () => {
    const child = Bun.spawn([process.execPath, "-e", ""]);
    await child.exited;
    writeFileSync(file, String(child.pid));
    expect(takeLock(file)).toBeDefined();
    expect(takeLock(file)).toBeUndefined();
  });

  test("is respected while its owner has not yet written its name", () => {
    writeFileSync(file, "");
    expect(takeLock(file)).toBeUndefined();
  });
});
