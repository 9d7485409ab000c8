import { beforeEach, describe, expect, test } from "bun:test";
import { type ApiCall, TestApi } from "../../support/test-api.ts";

const notes = "com.example.notes";
const other = "com.example.other";

let api: TestApi;
beforeEach(async () => {
  api = new TestApi();
  await api.register(notes);
  await api.register(other);
  for (const user of ["user@example.com", "a@example.com", "b@example.com"]) api.world.users.saveUser(user);
});

const path = (userId: string, key?: string) =>
  `/api/sdk/simple-storage/${encodeURIComponent(userId)}${key === undefined ? "" : `/${encodeURIComponent(key)}`}`;

function ask(verb: string, where: string, call: ApiCall = {}, packageName = notes) {
  return api.call(verb, where, { bearer: api.appBearer(packageName), ...call });
}

const everything = async (userId = "user@example.com", packageName = notes) =>
  (await ask("GET", path(userId), {}, packageName)).body;

describe("simple storage", () => {
  test("keeps what an app puts, adds to it and replaces it", async () => {
    expect(await everything()).toEqual({ success: true, data: {} });
    const put = await ask("PUT", path("user@example.com"), { body: { data: { a: "1", b: "2" } } });
    expect([put.status, put.body]).toEqual([200, { success: true }]);
    await ask("PUT", path("user@example.com"), { body: { data: { b: "3", c: "" } } });
    expect(await everything()).toEqual({ success: true, data: { a: "1", b: "3", c: "" } });
  });

  test("reads, writes and removes single entries", async () => {
    const entry = path("user@example.com", "k");
    expect((await ask("GET", entry)).status).toBe(404);
    expect((await ask("PUT", entry, { body: { value: "v" } })).status).toBe(200);
    expect((await ask("GET", entry)).body).toEqual({ success: true, data: { value: "v" } });
    expect((await ask("DELETE", entry)).body).toEqual({ success: true });
    expect(await everything()).toEqual({ success: true, data: {} });
  });

  test("answers 200 to the removal of what is not there", async () => {
    expect((await ask("DELETE", path("user@example.com", "never"))).status).toBe(200);
    expect((await ask("DELETE", path("user@example.com"))).status).toBe(200);
  });

  test("removes everything of one user of one app, and nothing else", async () => {
    for (const packageName of [notes, other]) {
      for (const user of ["a@example.com", "b@example.com"]) {
        await ask("PUT", path(user), { body: { data: { k: `${packageName} ${user}` } } }, packageName);
      }
    }
    await ask("DELETE", path("a@example.com"));
    expect(await everything("a@example.com")).toEqual({ success: true, data: {} });
    expect(await everything("b@example.com")).toEqual({
      success: true,
      data: { k: `${notes} b@example.com` },
    });
    expect(await everything("a@example.com", other)).toEqual({
      success: true,
      data: { k: `${other} a@example.com` },
    });
  });

  test("takes keys as they are: dots, slashes, spaces, names of the language, and none of them is a path", async () => {
    const keys = ["a.b.c", "a/b", "a b", "__proto__", "constructor", "ключ", "%41", "$where"];
    for (const key of keys) {
      expect((await ask("PUT", path("user@example.com", key), { body: { value: key } })).status).toBe(200);
    }
    const { data } = (await everything()) as { data: Record<string, string> };
    expect(Object.keys(data).sort()).toEqual([...keys].sort());
    for (const key of keys) {
      expect((await ask("GET", path("user@example.com", key))).body).toEqual({
        success: true,
        data: { value: key },
      });
      await ask("DELETE", path("user@example.com", key));
    }
    expect(await everything()).toEqual({ success: true, data: {} });
  });

  test("knows a user however the address is spelt", async () => {
    await ask("PUT", path("User@Example.com"), { body: { data: { a: "1" } } });
    expect(await everything("user@example.com")).toEqual({ success: true, data: { a: "1" } });
  });

  test("takes 100,000 characters for a value, refuses one more with 400, and keeps nothing of that batch", async () => {
    const put = (length: number) =>
      ask("PUT", path("user@example.com"), { body: { data: { small: "x", large: "x".repeat(length) } } });
    const refused = await put(100_001);
    expect(refused.status).toBe(400);
    expect(refused.body).toMatchObject({ success: false, error: "VALUE_TOO_LARGE" });
    expect(await everything()).toEqual({ success: true, data: {} });
    expect((await put(100_000)).status).toBe(200);
  });

  test("refuses what would exceed 1 MiB for a user and an app with 413, and keeps what was there", async () => {
    const batch = (from: number, count: number) => ({
      data: Object.fromEntries(Array.from({ length: count }, (_, i) => [`k${from + i}`, "x".repeat(99_000)])),
    });
    expect((await ask("PUT", path("user@example.com"), { body: batch(0, 10) })).status).toBe(200);
    const refused = await ask("PUT", path("user@example.com"), { body: batch(10, 1) });
    expect(refused.status).toBe(413);
    expect(refused.body).toMatchObject({ success: false, error: "STORAGE_FULL" });
    expect(Object.keys(((await everything()) as { data: object }).data).length).toBe(10);
    // Replacing takes no more room than it had, and another user has room of their own.
    expect((await ask("PUT", path("user@example.com"), { body: batch(0, 10) })).status).toBe(200);
    expect((await ask("PUT", path("b@example.com"), { body: batch(0, 10) })).status).toBe(200);
  });

  test("is for users who were here once: for one who is made up, nothing is kept", async () => {
    for (const call of [
      () => ask("PUT", path("invented@example.com"), { body: { data: { a: "1" } } }),
      () => ask("PUT", path("invented@example.com", "a"), { body: { value: "1" } }),
    ]) {
      const refused = await call();
      expect([refused.status, refused.body]).toMatchObject([404, { error: "UNKNOWN_USER" }]);
    }
    expect(await api.world.users.userIds()).not.toContain("invented@example.com");
    expect(await everything("invented@example.com")).toEqual({ success: true, data: {} });
    await api.world.connect("now@example.com");
    const { session } = await api.world.connect("once@example.com");
    await session.end();
    for (const user of ["now@example.com", "once@example.com"]) {
      expect((await ask("PUT", path(user), { body: { data: { a: "1" } } })).status).toBe(200);
    }
  });

  test("refuses a body that no storage could hold without reading it to its end", async () => {
    const refused = await ask("PUT", path("user@example.com"), { text: "x".repeat(2 * 1024 * 1024 + 1) });
    expect(refused.status).toBe(413);
    expect(refused.body).toMatchObject({ error: "BODY_TOO_LARGE" });
  });

  test("serves 100 requests a minute of a user and an app, then says 429 and when to come back", async () => {
    for (let i = 0; i < 100; i++) expect((await ask("GET", path("user@example.com"))).status).toBe(200);
    const refused = await ask("PUT", path("user@example.com"), { body: { data: { a: "1" } } });
    expect(refused.status).toBe(429);
    expect(refused.body).toMatchObject({ success: false, error: "RATE_LIMITED" });
    expect(JSON.stringify(refused.body)).toContain("rate limit");
    expect(refused.headers.get("retry-after")).toBe("1");
    // Neither another user nor another app pays for it.
    expect((await ask("GET", path("b@example.com"))).status).toBe(200);
    expect((await ask("GET", path("user@example.com"), {}, other)).status).toBe(200);
    api.world.clock.advance(1_000);
    expect((await ask("GET", path("user@example.com"))).status).toBe(200);
  });

  test("opens to the right key of the right app only", async () => {
    await ask("PUT", path("user@example.com"), { body: { data: { a: "1" } } });
    for (const bearer of [
      undefined,
      "",
      notes,
      `${notes}:`,
      `${notes}:wrong`,
      "com.example.unknown:key",
      `:${notes}`,
    ]) {
      const call = bearer === undefined ? { bearer: "" } : { bearer };
      for (const verb of ["GET", "PUT", "DELETE"]) {
        const refused = await ask(verb, path("user@example.com"), call);
        expect(refused.status).toBe(401);
        expect(refused.body).toMatchObject({ error: "INVALID_API_KEY" });
      }
    }
    expect(await everything()).toEqual({ success: true, data: { a: "1" } });
  });

  test("does not open to a user's core token, nor to the admin token", async () => {
    const { body } = await ask("PUT", path("user@example.com"), { body: { data: { a: "1" } } });
    expect(body).toEqual({ success: true });
    expect((await api.call("GET", path("user@example.com"), { user: "user@example.com" })).status).toBe(401);
  });

  test.each(["", "{", "[]", "{}", '{"data":[]}', '{"data":{"a":1}}', '{"data":{"":"x"}}'])(
    "refuses the body %p with 400",
    async (text) => {
      expect((await ask("PUT", path("user@example.com"), { text })).status).toBe(400);
    },
  );
});
