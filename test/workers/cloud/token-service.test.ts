import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import type { Server } from "bun";
import { fetchToken } from "../../../workers/stt/cloud/token-service.ts";

let service: Server<undefined>;
let answer: () => Response = () => new Response("");

beforeAll(() => {
  service = Bun.serve({ hostname: "127.0.0.1", port: 0, fetch: () => answer() });
});

afterAll(() => service.stop(true));

const token = () => fetchToken(`http://127.0.0.1:${service.port}/token?secret=hush`);

describe("a temporary token", () => {
  test.each([
    ["as it is", "abc.def\n"],
    ["as Deepgram grants it", JSON.stringify({ access_token: "abc.def", expires_in: 30 })],
    ["as AssemblyAI grants it", JSON.stringify({ token: "abc.def" })],
  ])("is taken %s", async (_, body) => {
    answer = () => new Response(body);
    expect(await token()).toBe("abc.def");
  });

  test.each([
    ["an error", new Response("hush", { status: 500 }), "HTTP 500"],
    ["a page", new Response("<p>hush hush</p>"), "no token"],
    ["nothing", new Response(""), "no token"],
    ["JSON without one", new Response('{"hush":1}'), "no token"],
    ["half of some JSON", new Response('{"token":"hush'), "no token"],
  ])("is missing where there is %s, and nothing of the answer is told", async (_, response, reason) => {
    answer = () => response;
    const failure = await token().catch((error: Error) => error.message);
    expect(failure).toContain(reason);
    expect(failure).not.toContain("hush");
  });

  test("is missing where nobody answers", async () => {
    expect(fetchToken("http://127.0.0.1:1/?secret=hush")).rejects.toThrow("not to be reached");
  });
});
