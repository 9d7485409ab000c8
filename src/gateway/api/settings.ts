import { Type } from "@sinclair/typebox";
import { isoTime } from "../../kernel/clock.ts";
import { settingProblem, settingsPage } from "../../session/app-settings.ts";
import { settingsOfPhone } from "../../session/system-settings.ts";
import type { Values } from "../../store/store.ts";
import { bearerToken } from "../core-token.ts";
import { type Answer, answer, appNotFound, refusal, refusalSchema, valuesSchema } from "./answer.ts";
import type { EndpointParts } from "./api-parts.ts";
import { Endpoints } from "./endpoints.ts";

const change = Type.Object({ key: Type.String({ minLength: 1 }), value: Type.Unknown() });

const oneSetting = Type.Object({
  success: Type.Literal(true),
  data: Type.Object({ key: Type.String(), value: Type.Optional(Type.Unknown()), exists: Type.Boolean() }),
});

const allSettings = Type.Object({
  success: Type.Literal(true),
  data: Type.Object({ settings: valuesSchema }),
  timestamp: Type.String(),
});

/** What users set: for each app, and on their phones. With a session the change takes effect at once. */
export function settingApi(parts: EndpointParts) {
  const { clock, limits, sessions, store } = parts;
  const api = new Endpoints(parts, "Settings");

  const phoneSettings = async (userId: string): Promise<Values> =>
    sessions.getSession(userId)?.settings.phone ?? (await store.loadUser(userId)).settings.phone;

  const changePhone = async (userId: string, changes: Values): Promise<Answer | undefined> => {
    const former = await phoneSettings(userId);
    const problem = tooMuch(former, changes, limits);
    if (problem !== undefined) return problem;
    const session = sessions.getSession(userId);
    if (session !== undefined) session.settings.changePhone(changes);
    else {
      for (const [key, value] of Object.entries(changes)) store.saveSetting(userId, "phone", key, value);
      for (const [key, value] of Object.entries(settingsOfPhone(changes))) {
        store.saveSetting(userId, "system", key, value);
      }
    }
    const model = changes["default_wearable"];
    if (session !== undefined && typeof model === "string" && model !== "") {
      // The phone says which glasses it is set to, not that they are there.
      session.device.applyReport({ modelName: model, connected: session.device.state.connected ?? true });
    }
    return undefined;
  };

  for (const verb of ["POST", "PUT"] as const) {
    api.add(
      verb,
      "/api/client/user/settings",
      {
        caller: "user",
        summary: "Changes settings of the phone; those not named stay as they are",
        body: Type.Object({ settings: valuesSchema }),
        answers: { 200: allSettings },
      },
      async ({ userId, body: { settings } }) => {
        const problem = await changePhone(userId, settings);
        if (problem !== undefined) return problem;
        const data = { settings: await phoneSettings(userId) };
        return answer({ success: true, data, timestamp: isoTime(clock) });
      },
    );
  }

  return api
    .add(
      "GET",
      "/api/client/user/settings",
      {
        caller: "user",
        summary: "All settings of the phone that are kept here",
        answers: { 200: allSettings },
      },
      async ({ userId }) => {
        const data = { settings: await phoneSettings(userId) };
        return answer({ success: true, data, timestamp: isoTime(clock) });
      },
    )
    .add(
      "GET",
      "/api/client/user/settings/key/:key",
      { caller: "user", summary: "One setting of the phone", answers: { 200: oneSetting } },
      async ({ userId, params: { key = "" } }) => {
        const settings = await phoneSettings(userId);
        const exists = Object.hasOwn(settings, key);
        return answer({ success: true, data: { key, ...(exists ? { value: settings[key] } : {}), exists } });
      },
    )
    .add(
      "PUT",
      "/api/client/user/settings/key/:key",
      {
        caller: "user",
        summary: "Changes one setting of the phone",
        body: Type.Object({ value: Type.Unknown() }),
        answers: { 200: oneSetting },
      },
      async ({ userId, params: { key = "" }, body: { value } }) => {
        const problem = await changePhone(userId, { [key]: value });
        return problem ?? answer({ success: true, data: { key, value, exists: true } });
      },
    )
    .add(
      "DELETE",
      "/api/client/user/settings/key/:key",
      { caller: "user", summary: "Forgets one setting of the phone", answers: { 200: oneSetting } },
      async ({ userId, params: { key = "" } }) => {
        await changePhone(userId, { [key]: undefined });
        return answer({ success: true, data: { key, exists: false } });
      },
    )
    .add(
      "GET",
      "/appsettings/:packageName",
      {
        caller: "user",
        summary: "An app's settings page, with the user's values",
        answers: {
          200: Type.Object({
            success: Type.Literal(true),
            userId: Type.String(),
            name: Type.String(),
            settings: Type.Array(valuesSchema),
          }),
          404: refusalSchema,
        },
      },
      async ({ userId, params: { packageName = "" } }) => {
        const app = store.apps.get(packageName);
        if (app === undefined) return appNotFound();
        const values = await appValues(userId, packageName);
        return answer({
          success: true,
          userId,
          name: app.name,
          description: app.description ?? "",
          uninstallable: true,
          webviewURL: app.webviewUrl ?? null,
          version: app.version ?? "1.0.0",
          settings: settingsPage(app.settings, values),
          permissions: app.permissions.map((type) => ({ type })),
          organization: null,
        });
      },
    )
    .add(
      "POST",
      "/appsettings/:packageName",
      {
        caller: "user",
        summary: "Changes one or several of an app's settings, all or none; the app is told at once",
        body: Type.Union([change, Type.Array(change, { minItems: 1, maxItems: 256 })]),
        answers: {
          200: Type.Object({ success: Type.Literal(true), message: Type.String() }),
          400: refusalSchema,
          404: refusalSchema,
        },
      },
      ({ userId, params: { packageName = "" }, body }) => {
        const app = store.apps.get(packageName);
        if (app === undefined) return appNotFound();
        const list = Array.isArray(body) ? body : [body];
        for (const { key, value } of list) {
          const problem = settingProblem(app.settings, key, value);
          if (problem !== undefined) return refusal(400, "INVALID_SETTING", problem);
          if (sizeOf(value) > limits.settingBytes) return settingTooLarge(limits.settingBytes);
        }
        const changes = Object.fromEntries(list.map(({ key, value }) => [key, value]));
        const session = sessions.getSession(userId);
        if (session !== undefined) session.settings.changeApp(packageName, changes);
        else {
          for (const [key, value] of Object.entries(changes)) {
            store.saveSetting(userId, { packageName }, key, value);
          }
        }
        return answer({ success: true, message: "The settings are changed" });
      },
    )
    .add(
      "GET",
      "/appsettings/user/:packageName",
      {
        caller: "anyone",
        summary:
          "An app's settings for the user of one of its live sessions, by `Bearer <sessionId>`, asked for from the address that the app's socket comes from. Behind a reverse proxy all addresses are the proxy's",
        answers: {
          200: Type.Object({ success: Type.Literal(true), settings: Type.Array(valuesSchema) }),
          401: refusalSchema,
        },
      },
      ({ request, params: { packageName = "" } }) => {
        const session = sessions.findAppSession(bearerToken(request.headers) ?? "", packageName);
        // The id can be guessed. What tells the app is that it calls from where its socket, which has shown its key, is.
        if (session === undefined || session.apps.peerOf(packageName) !== parts.peerOf(request)) {
          return refusal(401, "SESSION_NOT_FOUND", "The app runs in no session of this id");
        }
        return answer({ success: true, settings: session.settings.settingsOf(packageName) });
      },
    ).routes;

  async function appValues(userId: string, packageName: string): Promise<Values> {
    const session = sessions.getSession(userId);
    if (session !== undefined) return session.settings.valuesOf(packageName);
    return (await store.loadUser(userId)).settings.apps[packageName] ?? {};
  }
}

function tooMuch(
  former: Values,
  changes: Values,
  limits: { readonly phoneSettings: number; readonly settingBytes: number; readonly settingKeyChars: number },
): Answer | undefined {
  const keys = Object.keys(changes);
  if (keys.some((key) => key === "" || key.length > limits.settingKeyChars)) {
    return refusal(400, "INVALID_KEY", `A key has 1 to ${limits.settingKeyChars} characters`);
  }
  if (Object.values(changes).some((value) => sizeOf(value) > limits.settingBytes)) {
    return settingTooLarge(limits.settingBytes);
  }
  const removed = keys.filter((key) => changes[key] === undefined).length;
  if (new Set([...Object.keys(former), ...keys]).size - removed > limits.phoneSettings) {
    return refusal(413, "TOO_MANY_SETTINGS", `A phone may keep ${limits.phoneSettings} settings here`);
  }
  return undefined;
}

function settingTooLarge(bytes: number): Answer {
  return refusal(413, "SETTING_TOO_LARGE", `A setting may have ${bytes} bytes`);
}

/** As JSON, in bytes. */
function sizeOf(value: unknown): number {
  return Buffer.byteLength(JSON.stringify(value) ?? "");
}
