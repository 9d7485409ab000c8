import { beforeEach, describe, expect, test } from "bun:test";
import { sha256Hex } from "../../../src/kernel/identity.ts";
import { apiKey } from "../../support/fake-world.ts";
import { TestApi } from "../../support/test-api.ts";

const notes = "com.example.notes";

let api: TestApi;
beforeEach(async () => {
  api = new TestApi();
  await api.register(notes, { permissions: ["MICROPHONE", "LOCATION"] });
  await api.register("com.example.other", { apiKeyHash: sha256Hex("other-key"), permissions: [] });
});

describe("the permissions of an app", () => {
  test("are told to anybody", async () => {
    expect(await api.call("GET", `/api/public/permissions/${notes}`)).toMatchObject({
      status: 200,
      body: {
        success: true,
        packageName: notes,
        permissions: [{ type: "MICROPHONE" }, { type: "LOCATION" }],
      },
    });
    expect((await api.call("GET", "/api/public/permissions/com.example.other")).body).toMatchObject({
      permissions: [],
    });
    expect(await api.call("GET", "/api/public/permissions/com.example.unknown")).toMatchObject({
      status: 404,
      body: { error: "App not found" },
    });
  });
});

describe("discovering users", () => {
  const discover = (userId: string, packageName = notes, bearer = apiKey) =>
    api.call("POST", "/api/app-communication/discover-users", {
      bearer,
      body: { packageName, userId, includeUserProfiles: true },
    });

  test("finds the others for whom the same app runs, and nobody else", async () => {
    for (const email of ["a@example.com", "b@example.com"]) {
      const { session } = await api.world.connect(email);
      await api.world.runApp(session, notes);
    }
    await api.world.connect("c@example.com");
    await api.world.clock.advanceAsync(5_000);
    expect(await discover("A@example.com")).toMatchObject({
      status: 200,
      body: {
        totalUsers: 1,
        users: [
          {
            userId: "b@example.com",
            sessionId: `b@example.com-${notes}`,
            joinedAt: expect.any(String),
            userProfile: { userId: "b@example.com" },
          },
        ],
      },
    });
  });

  test("tells since when the app runs for them, not their session, and no profiles that nobody asked for", async () => {
    const { session } = await api.world.connect("a@example.com");
    await api.world.runApp(session, notes);
    const b = await api.world.connect("b@example.com");
    await api.world.clock.advanceAsync(10_000);
    const startedAt = new Date(api.world.clock.now()).toISOString();
    await api.world.runApp(b.session, notes);
    await api.world.clock.advanceAsync(10_000);
    const body = { packageName: notes, userId: "a@example.com" };
    const answer = await api.call("POST", "/api/app-communication/discover-users", { bearer: apiKey, body });
    expect((answer.body as { users: unknown }).users).toEqual([
      { userId: "b@example.com", sessionId: `b@example.com-${notes}`, joinedAt: startedAt },
    ]);
  });

  test("is closed to a wrong key, to another app's key, and for users who do not run the app", async () => {
    const { session } = await api.world.connect("a@example.com");
    await api.world.runApp(session, notes);
    expect((await discover("a@example.com", notes, "wrong")).status).toBe(401);
    expect((await discover("a@example.com", notes, "other-key")).status).toBe(401);
    expect(await discover("b@example.com")).toMatchObject({
      status: 403,
      body: { error: "APP_NOT_RUNNING" },
    });
    expect((await discover("a@example.com", "com.example.other", "other-key")).status).toBe(403);
  });
});

describe("the transcripts of a session", () => {
  async function speak(email: string): Promise<string> {
    const { session } = await api.world.connect(email);
    await api.world.runApp(session, notes, "transcription:en-US", "transcription:fr-FR");
    await api.world.clock.advanceAsync(200);
    for (const [text, language] of [
      ["first words", "en-US"],
      ["second words", "en-US"],
      ["des mots", "fr-FR"],
    ] as const) {
      const utterance = { utteranceId: text, startMs: 0, endMs: 900, provider: "test" };
      const lane = api.world.lanes.opened.at(-1);
      lane?.listener.onTranscript({ ...utterance, language, text, isFinal: true });
      await api.world.clock.advanceAsync(60_000);
    }
    return session.apps.sessionIdOf(notes);
  }

  const ask = async (sessionId: string, query = "", bearer = api.appBearer(notes)) => {
    const path = `/api/transcripts/${encodeURIComponent(sessionId)}${query}`;
    const { status, body } = await api.call("GET", path, { bearer });
    const segments = (body as { segments?: { text: string }[] }).segments;
    return segments?.map(({ text }) => text) ?? status;
  };

  test("D-63: are found whatever hyphens the ids hold, by language and by time", async () => {
    const id = await speak("jean-luc@ex-ample.com");
    expect(await ask(id)).toEqual(["first words", "second words", "des mots"]);
    expect(await ask(id, "?language=en-US")).toEqual(["first words", "second words"]);
    expect(await ask(id, "?language=en-US&duration=130")).toEqual(["second words"]);
    const start = api.world.clock.now() - 180_000;
    expect(await ask(id, `?startTime=${start + 1}&endTime=${start + 119_999}`)).toEqual(["second words"]);
    expect(await ask(id, `?startTime=${new Date(start + 1).toISOString()}&language=en-US`)).toEqual([
      "second words",
    ]);
  });

  test("of half an hour are kept, and not a session longer", async () => {
    const id = await speak("a@example.com");
    await api.world.clock.advanceAsync(28 * 60_000 + 30_000);
    expect(await ask(id)).toEqual(["des mots"]);
    await api.world.storage.getSession("a@example.com")?.end();
    expect(await ask(id)).toBe(404);
  });

  test("are closed to a wrong key, to other apps, without the permission, and before the app runs", async () => {
    const id = await speak("a@example.com");
    expect(await ask(id, "", `${notes}:wrong`)).toBe(401);
    expect(await ask(id, "", "com.example.other:other-key")).toBe(404);
    const { session } = await api.world.connect("b@example.com");
    expect(await ask(session.apps.sessionIdOf(notes))).toBe(404);
    await api.register("com.example.mute", { permissions: ["CAMERA"] });
    await api.world.runApp(session, "com.example.mute");
    const muteId = session.apps.sessionIdOf("com.example.mute");
    expect(await ask(muteId, "", api.appBearer("com.example.mute"))).toBe(403);
  });

  test.each(["?duration=soon", "?startTime=yesterday", "?endTime=x"])(
    "of %p are no question",
    async (query) => {
      const id = await speak("a@example.com");
      expect(await ask(id, query)).toBe(400);
    },
  );
});
