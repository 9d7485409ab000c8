import { afterEach, beforeEach, expect, test } from "bun:test";
import { readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { SimulatedGlasses } from "../../src/simulator/simulated-glasses.ts";
import { Stage } from "../support/stage.ts";
import { until } from "../support/until.ts";
import { WireApp } from "../support/wire-app.ts";

const user = "ada@example.com";
const notes = "com.example.notes";

let stage: Stage;
beforeEach(async () => {
  stage = await Stage.open();
});
afterEach(() => stage.close());

async function ask(
  bearer: string,
  verb: string,
  path: string,
  body?: unknown,
): Promise<Record<string, unknown>> {
  const response = await fetch(`${stage.server.url}${path}`, {
    method: verb,
    headers: { authorization: `Bearer ${bearer}`, "content-type": "application/json" },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  const answer = (await response.json()) as Record<string, unknown>;
  return { ...answer, status: response.status };
}

test("an operator with the token of the data folder registers an app, lets a user in, and both have what they set", async () => {
  const file = join(stage.environment["BROWLINE_DATA_DIR"] ?? "", "admin-token");
  expect((statSync(file).mode & 0o777).toString(8)).toBe("600");
  const admin = readFileSync(file, "utf8").trim();
  expect(await ask(`${admin}x`, "GET", "/api/admin/apps")).toMatchObject({ status: 401 });

  // The app's server has to be there to be registered, and learns its key only then.
  const keyless = new WireApp(notes, "", ["button_press"]);
  const settings = [{ key: "size", type: "text", defaultValue: "small" }];
  const app = { packageName: notes, publicUrl: keyless.url, settings, permissions: ["MICROPHONE"] };
  const registered = await ask(admin, "POST", "/api/admin/apps", app);
  await keyless.close();
  expect(registered).toMatchObject({ status: 201, success: true });
  const apiKey = String(registered["apiKey"]);
  const running = new WireApp(notes, apiKey, ["button_press"]);
  const { packageName: _name, ...moved } = { ...app, publicUrl: running.url };
  expect(await ask(admin, "PUT", `/api/admin/apps/${notes}`, moved)).toMatchObject({ status: 200 });

  const { coreToken } = await ask(admin, "POST", `/api/admin/users/${user}/token`);
  const token = String(coreToken);
  expect(await ask(token, "POST", `/appsettings/${notes}`, { key: "size", value: "big" })).toMatchObject({
    status: 200,
  });
  const storage = `/api/sdk/simple-storage/${user}`;
  await ask(`${notes}:${apiKey}`, "PUT", storage, { data: { "a.b": "1" } });

  const glasses = new SimulatedGlasses({ url: stage.server.url, token });
  try {
    await glasses.connect();
    expect(await ask(token, "POST", `/apps/${notes}/start`)).toMatchObject({ status: 200, success: true });
    const session = await until("the app's session", () => running.sessions.events[0]);
    const ack = await session.messages.until(({ type }) => type === "tpa_connection_ack");
    expect(ack).toMatchObject({
      type: "tpa_connection_ack",
      settings: [{ key: "size", value: "big" }],
    });
    expect(await ask(`${notes}:${apiKey}`, "GET", storage)).toMatchObject({ data: { "a.b": "1" } });
    expect(await ask(admin, "GET", "/api/admin/sessions")).toMatchObject({
      data: [{ userId: user, connected: true, snapshot: { activeAppSessions: [notes] } }],
    });
    expect(await ask(admin, "DELETE", `/api/admin/sessions/${user}`)).toMatchObject({ status: 200 });
    await until("the app's socket to close", () => session.closed !== undefined);
    expect(session.closed).toEqual({ code: 4001, reason: "User session ended" });
  } finally {
    glasses.close();
    await running.close();
  }
});
