import { describe, expect, test } from "bun:test";
import { ConfigError, loadConfig, settingsTable } from "../../src/kernel/config.ts";

describe("the settings", () => {
  test("have defaults that need no environment", () => {
    const config = loadConfig({});
    expect(config).toMatchObject({ host: "0.0.0.0", port: 8002, livezPort: 8003, recogniser: "auto" });
    expect(config.audioWorkers).toBeGreaterThanOrEqual(1);
    expect(config.limits.sessionGraceMs).toBe(30_000);
  });

  test("use the speech providers that have a key, then the offline ones, or those named in their order", () => {
    expect(loadConfig({}).speech).toEqual(["pocketsphinx"]);
    expect(loadConfig({}).limits.recentAudioMs).toBe(10_000);
    const keys = { BROWLINE_DEEPGRAM_KEY: "k1", BROWLINE_ASSEMBLYAI_KEY: "k2" };
    const both = loadConfig(keys);
    expect(both.speech).toEqual(["deepgram", "assemblyai", "pocketsphinx"]);
    expect(both.limits.recentAudioMs).toBe(30_000);
    const chosen = loadConfig({ ...keys, BROWLINE_SPEECH: "assemblyai, deepgram" });
    expect(chosen).toMatchObject({ speech: ["assemblyai", "deepgram"], recogniser: "off" });
    expect(loadConfig({ BROWLINE_DEEPGRAM_URL: "ws://127.0.0.1:1" }).deepgram?.key).toBeUndefined();
    const tokens = loadConfig({ BROWLINE_ASSEMBLYAI_TOKEN_URL: "https://example.com/token?for=us" });
    expect(tokens.speech).toEqual(["assemblyai", "pocketsphinx"]);
    expect(tokens.assemblyai).toMatchObject({ key: undefined, opensPerMinute: 100 });
  });

  test("refuse a speech provider that is unknown or lacks its key, and keep keys out of messages", () => {
    expect(() => loadConfig({ BROWLINE_SPEECH: "deepgram" })).toThrow(
      "BROWLINE_SPEECH names deepgram, which needs BROWLINE_DEEPGRAM_KEY",
    );
    expect(() => loadConfig({ BROWLINE_SPEECH: "siri" })).toThrow("BROWLINE_SPEECH");
    const load = () =>
      loadConfig({
        BROWLINE_DEEPGRAM_KEY: "not a key",
        BROWLINE_ASSEMBLYAI_KEY: "nor this",
        BROWLINE_DEEPGRAM_TOKEN_URL: "nor this",
      });
    expect(load).toThrow('BROWLINE_DEEPGRAM_KEY is "...", but takes a key without spaces');
    expect(load).not.toThrow("nor this");
  });

  test("override the limits they stand for", () => {
    const config = loadConfig({ BROWLINE_SESSION_GRACE_MS: "60000", BROWLINE_DISPLAY_INTERVAL_MS: "300" });
    expect(config.limits).toMatchObject({ sessionGraceMs: 60_000, displayIntervalMs: 300 });
  });

  test("name every variable that is unknown or wrong, with what it may hold, and no secret", () => {
    const load = () =>
      loadConfig({
        BROWLINE_PORT: "eighty",
        BROWLINE_PROT: "80",
        BROWLINE_PUBLIC_URL: "ftp://example.com",
        BROWLINE_TOKEN_SECRET: "hunter2",
        BROWLINE_ADMIN_TOKEN: "a token with spaces in it",
        BROWLINE_TLS_CERT: "cert.pem",
        OTHER: "anything",
      });
    expect(load).toThrow(ConfigError);
    expect(load).toThrow(
      [
        "BROWLINE_PROT is not a setting of Browline",
        'BROWLINE_PORT is "eighty", but takes a whole number from 0 to 65535',
        'BROWLINE_PUBLIC_URL is "ftp://example.com", but takes an http:// or https:// address without query and fragment',
        'BROWLINE_TOKEN_SECRET is "...", but takes at least 16 characters',
        'BROWLINE_ADMIN_TOKEN is "...", but takes at least 16 characters without spaces',
        "BROWLINE_TLS_CERT and BROWLINE_TLS_KEY are only of use together",
      ].join("\n"),
    );
  });

  test.each(["https://example.com/?a=1", "https://example.com/#a", "https://example.com/?", "http://"])(
    "refuse %p as the public address, since paths are appended to it",
    (value) => {
      expect(() => loadConfig({ BROWLINE_PUBLIC_URL: value })).toThrow("without query and fragment");
    },
  );

  test("take the address to listen on with and without the brackets of a URL", () => {
    expect(loadConfig({ BROWLINE_HOST: "[::1]" }).host).toBe("::1");
    expect(loadConfig({ BROWLINE_HOST: "::1" }).host).toBe("::1");
  });

  test("refuse one port for two listeners, but for the free choice of two", () => {
    expect(() => loadConfig({ BROWLINE_PORT: "8003" })).toThrow("cannot be the same");
    expect(loadConfig({ BROWLINE_PORT: "0", BROWLINE_LIVEZ_PORT: "0" }).livezPort).toBe(0);
  });

  test.each(["", "0", "65536", "-1", "1.5", " 80"])(
    "take %p for a maximum of sessions as what it is",
    (value) => {
      const load = () => loadConfig({ BROWLINE_MAX_SESSIONS: value }).limits.maxSessions;
      if (value === "") expect(load()).toBe(1_000);
      else if (value === "65536") expect(load()).toBe(65_536);
      else expect(load).toThrow("BROWLINE_MAX_SESSIONS");
    },
  );

  test("are all in the README, with their defaults", async () => {
    const readme = await Bun.file(new URL("../../README.md", import.meta.url)).text();
    for (const { name, fallback, doc } of settingsTable) {
      expect(readme).toContain(`| \`${name}\` | ${fallback === "" ? "" : `\`${fallback}\` `}| ${doc} |`);
    }
  });
});
