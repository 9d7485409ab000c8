import { afterEach, describe, expect, test } from "bun:test";
import { DeepgramSimulator, type DeepgramSimulatorSettings } from "../support/deepgram-simulator.ts";

const services: DeepgramSimulator[] = [];
afterEach(async () => {
  for (const service of services.splice(0)) await service.close();
});

function simulator(settings: DeepgramSimulatorSettings): DeepgramSimulator {
  const service = new DeepgramSimulator({ apiKeys: ["a-good-key"], ...settings });
  services.push(service);
  return service;
}

async function run(env: Record<string, string>): Promise<{ code: number; out: string; err: string }> {
  const child = Bun.spawn([process.execPath, "tools/speech-check.ts", "turn", "on", "the", "lights"], {
    cwd: new URL("../..", import.meta.url).pathname,
    env: { PATH: process.env["PATH"] ?? "", ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const [out, err, code] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
    child.exited,
  ]);
  return { code, out, err };
}

function environment(service: DeepgramSimulator, key: string): Record<string, string> {
  return { BROWLINE_SPEECH: "deepgram", BROWLINE_DEEPGRAM_KEY: key, BROWLINE_DEEPGRAM_URL: service.url };
}

describe("the check of a speech key", () => {
  test("says what is missing where no key is set", async () => {
    const { code, err } = await run({});
    expect(code).toBe(1);
    expect(err).toContain("BROWLINE_DEEPGRAM_KEY");
  });

  test("shows what came back for a good key", async () => {
    const service = simulator({ sentence: "Turn on the lights." });
    const { code, out } = await run(environment(service, "a-good-key"));
    expect(out).toContain("heard: Turn on the lights.");
    expect(code).toBe(0);
  });

  test("fails where something else came back", async () => {
    const service = simulator({ sentence: "Nothing of the kind." });
    const { code, out } = await run(environment(service, "a-good-key"));
    expect(out).toContain("% of the words came back");
    expect(code).toBe(1);
  });

  test("says that a key is refused, and not which", async () => {
    const { code, out, err } = await run(environment(simulator({}), "a-bad-key"));
    expect(code).toBe(1);
    expect(out).toContain("deepgram: failed (auth): refused with HTTP 401");
    expect(out + err).not.toContain("a-bad-key");
  });
});
