import { expect, test } from "bun:test";
import { type CaptionsReport, startCaptionsApp } from "../../src/simulator/captions-app.ts";

test("the captions app answers the SDK's health probe and ends when told to, twice or not", async () => {
  const reports: CaptionsReport[] = [];
  const unasked: number[] = [];
  const app = await startCaptionsApp({
    packageName: "com.example.captions",
    apiKey: "key-of-the-test",
    onReport: (report) => reports.push(report),
    onExit: (exitCode) => unasked.push(exitCode),
  });
  const health = await fetch(`${app.url}/health`);
  expect(await health.json()).toMatchObject({ status: "healthy", app: "com.example.captions" });
  expect(reports).toEqual([]);
  await app.stop();
  await app.stop();
  expect(await fetch(`${app.url}/health`).catch(() => "gone")).toBe("gone");
  expect(unasked).toEqual([]);
});

test("a captions app that crashes is reported", async () => {
  const ended = Promise.withResolvers<number>();
  const app = await startCaptionsApp({
    packageName: "com.example.captions",
    apiKey: "key-of-the-test",
    onExit: ended.resolve,
  });
  process.kill(app.pid, "SIGKILL");
  expect(await ended.promise).not.toBe(0);
  await app.stop();
});
