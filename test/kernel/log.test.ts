import { expect, test } from "bun:test";

test("a log line never shows a token, a key, or what was said", async () => {
  const script = `
    import { createLog } from ${JSON.stringify(new URL("../../src/kernel/log.ts", import.meta.url).pathname)};
    const log = createLog({ level: "info", format: "json" });
    log.info({ token: "eyJ-secret", message: { text: "spoken words", apiKey: "key-secret" }, layout: { text: "shown words" } }, "line");
    log.flush();`;
  const child = Bun.spawn([process.execPath, "-e", script], { stdout: "pipe", stderr: "inherit" });
  const line = await new Response(child.stdout).text();
  expect(line).toContain('"msg":"line"');
  expect(line).not.toMatch(/secret|words/);
});

test("for people, a log line is one line with all its fields", async () => {
  const script = `
    import { createLog } from ${JSON.stringify(new URL("../../src/kernel/log.ts", import.meta.url).pathname)};
    createLog({ level: "info", format: "pretty" }).info({ user: "u", from: "A", to: "B" }, "session state");`;
  const child = Bun.spawn([process.execPath, "-e", script], { stdout: "pipe", stderr: "inherit" });
  const text = await new Response(child.stdout).text();
  expect(text).toMatch(/^\[\d\d:\d\d:\d\d\.\d{3}\] INFO: session state [^\n]*"from":"A","to":"B"[^\n]*\n$/);
});
