import { beforeEach, describe, expect, test } from "bun:test";
import { sha256Hex } from "../../../src/kernel/identity.ts";
import { apiKey } from "../../support/fake-world.ts";
import { TestApi } from "../../support/test-api.ts";

const user = "user@example.com";
const notes = "com.example.notes";

let api: TestApi;
beforeEach(async () => {
  api = new TestApi();
  await api.register(notes);
  await api.register("com.example.other", { apiKeyHash: sha256Hex("other-key") });
});

const post = (path: string, body: unknown, as?: { user?: string; bearer?: string }) =>
  api.call("POST", path, { body, ...as });

async function webviewToken(packageName = notes): Promise<string> {
  const { body } = await post("/api/auth/generate-webview-token", { packageName }, { user });
  return (body as { token: string }).token;
}

const exchange = (token: string, packageName = notes, bearer = apiKey) =>
  post("/api/auth/exchange-user-token", { aos_temp_token: token, packageName }, { bearer });

describe("exchanging a provider's token", () => {
  test.each(["/auth/exchange-token", "/api/auth/exchange-token"])(
    "%s: is refused with the reason",
    async (path) => {
      expect(await post(path, {})).toMatchObject({ status: 400, body: { error: "No token provided" } });
      expect(await api.call("POST", path)).toMatchObject({
        status: 400,
        body: { error: "No token provided" },
      });
      for (const body of [{ supabaseToken: "x" }, { authingToken: "x" }]) {
        expect(await post(path, body)).toMatchObject({
          status: 401,
          body: { error: "Invalid token", message: expect.any(String) },
        });
      }
    },
  );
});

describe("a token for an app's web page", () => {
  test("names the user to the app, once", async () => {
    const token = await webviewToken();
    expect((await exchange(token)).body).toEqual({ success: true, userId: user });
    expect(await exchange(token)).toMatchObject({
      status: 401,
      body: { success: false, error: expect.any(String) },
    });
  });

  test("lapses after a minute", async () => {
    const [early, late] = [await webviewToken(), await webviewToken()];
    api.world.clock.advance(59_999);
    expect((await exchange(early)).status).toBe(200);
    api.world.clock.advance(1);
    expect((await exchange(late)).status).toBe(401);
  });

  test("is good for no other app, and for its own still after that one tried", async () => {
    const token = await webviewToken();
    expect((await exchange(token, "com.example.other", "other-key")).status).toBe(401);
    expect((await exchange(token, notes, "wrong")).status).toBe(401);
    expect((await exchange("unknown")).status).toBe(401);
    expect((await exchange(token)).status).toBe(200);
  });

  test("is made for registered apps and signed-in users only", async () => {
    const path = "/api/auth/generate-webview-token";
    expect((await post(path, { packageName: "com.example.unknown" }, { user })).status).toBe(404);
    expect((await post(path, { packageName: notes })).status).toBe(401);
    expect((await post(path, {}, { user })).status).toBe(400);
  });

  test("signed for another cloud's key is refused, with the way that works", async () => {
    const { status, body } = await post(
      "/api/auth/generate-webview-signed-user-token",
      { packageName: notes },
      { user },
    );
    expect([status, body]).toMatchObject([501, { success: false, error: "CANNOT_SIGN" }]);
  });
});

describe("the hash with an app's key", () => {
  const hash = (stringToHash: string, packageName = notes) =>
    post("/api/auth/hash-with-api-key", { stringToHash, packageName }, { user });

  test("is what the app computes itself, for the user and for the address of this server", async () => {
    for (const text of [user, "https://glasses.example.com", "https://glasses.example.com/"]) {
      expect((await hash(text)).body).toEqual({ success: true, hash: sha256Hex(text + sha256Hex(apiKey)) });
    }
  });

  test("is not made for another user, nor for another server that the app would send its key to", async () => {
    for (const text of [
      "other@example.com",
      "https://evil.example.com",
      "https://glasses.example.com.evil.example.com",
      "https://glasses.example.com@evil.example.com",
      "http://glasses.example.com",
      `${user}x`,
      "anything",
    ]) {
      expect(await hash(text)).toMatchObject({ status: 403, body: { error: "NOT_VOUCHED_FOR" } });
    }
  });

  test("needs a registered app", async () => {
    expect((await hash(user, "com.example.unknown")).status).toBe(404);
  });
});
