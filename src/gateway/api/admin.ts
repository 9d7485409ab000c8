import { randomBytes } from "node:crypto";
import { Type } from "@sinclair/typebox";
import { canonicalUserId, sha256Hex } from "../../kernel/identity.ts";
import type { ApiSession } from "../sessions.ts";
import { targetProblem } from "../target-rule.ts";
import {
  type Answer,
  answer,
  appNotFound,
  refusal,
  refusalSchema,
  succeededWithWord,
  valuesSchema,
} from "./answer.ts";
import type { EndpointParts } from "./api-parts.ts";
import { appBody, granted, newAppBody, readApp, withoutKey } from "./app-body.ts";
import { Endpoints } from "./endpoints.ts";

const appAnswer = Type.Object({
  success: Type.Literal(true),
  data: Type.Object({
    packageName: Type.String(),
    publicUrl: Type.String(),
    permissions: Type.Array(Type.String()),
  }),
});
const appAnswerWithKey = Type.Intersect([appAnswer, Type.Object({ apiKey: Type.String() })]);
const sessionSchema = Type.Object({
  userId: Type.String(),
  state: Type.String(),
  connected: Type.Boolean(),
  apps: Type.Record(Type.String(), Type.String()),
  snapshot: valuesSchema,
});

/** The operator's side: apps and what they may, and the sessions that live. */
export function adminApi(parts: EndpointParts) {
  const { config, sessions, store } = parts;
  const api = new Endpoints(parts, "Admin");

  /** The refusal of an address that webhooks may not be sent to; undefined if they may. */
  const refusedTarget = (publicUrl: string): Answer | undefined => {
    const problem = targetProblem(publicUrl, config.targets);
    if (problem === undefined) return undefined;
    const why = `The app's address is ${problem} (BROWLINE_TARGETS is ${config.targets})`;
    return refusal(400, "TARGET_REFUSED", why);
  };

  const described = (session: ApiSession) => ({
    userId: session.userId,
    state: session.state,
    connected: session.connected,
    apps: session.apps.states,
    snapshot: session.snapshot(),
  });

  return api
    .add(
      "GET",
      "/api/admin/apps",
      {
        caller: "admin",
        summary: "All registered apps",
        answers: {
          200: Type.Object({
            success: Type.Literal(true),
            data: Type.Array(Type.Object({ packageName: Type.String(), publicUrl: Type.String() })),
          }),
        },
      },
      () => answer({ success: true, data: store.apps.all().map(withoutKey) }),
    )
    .add(
      "POST",
      "/api/admin/apps",
      {
        caller: "admin",
        summary: "Registers an app. Its API key is made here and shown this once",
        body: newAppBody,
        answers: { 201: appAnswerWithKey, 409: refusalSchema },
      },
      async ({ body }) => {
        if (store.apps.get(body.packageName) !== undefined) {
          return refusal(409, "APP_EXISTS", "An app of this package name is registered");
        }
        const refused = refusedTarget(body.publicUrl);
        if (refused !== undefined) return refused;
        const apiKey = newKey();
        const app = readApp(body.packageName, body, sha256Hex(apiKey));
        await store.saveApp(app);
        return answer({ success: true, data: withoutKey(app), apiKey }, 201);
      },
    )
    .add(
      "PUT",
      "/api/admin/apps/:packageName",
      {
        caller: "admin",
        summary:
          "Replaces an app but for its key. Where it runs it is started again if more than its looks has changed",
        body: appBody,
        answers: { 200: appAnswer, 404: refusalSchema },
      },
      async ({ params, body }) => {
        const former = store.apps.get(params["packageName"] ?? "");
        if (former === undefined) return appNotFound();
        const refused = refusedTarget(body.publicUrl);
        if (refused !== undefined) return refused;
        const app = readApp(former.packageName, body, former.apiKeyHash);
        await store.saveApp(app);
        return answer({ success: true, data: withoutKey(app) });
      },
    )
    .add(
      "DELETE",
      "/api/admin/apps/:packageName",
      {
        caller: "admin",
        summary: "Removes an app and stops it everywhere",
        answers: { 200: succeededWithWord, 404: refusalSchema },
      },
      async ({ params: { packageName: name = "" } }) => {
        if (!(await store.removeApp(name))) return appNotFound();
        return answer({ success: true, message: `${name} is removed` });
      },
    )
    .add(
      "POST",
      "/api/admin/apps/:packageName/key",
      {
        caller: "admin",
        summary: "A new API key, shown this once; the former one is good for nothing any more",
        answers: { 200: appAnswerWithKey, 404: refusalSchema },
      },
      async ({ params }) => {
        const app = store.apps.get(params["packageName"] ?? "");
        if (app === undefined) return appNotFound();
        const apiKey = newKey();
        await store.saveApp({ ...app, apiKeyHash: sha256Hex(apiKey) });
        return answer({ success: true, data: withoutKey(app), apiKey });
      },
    )
    .add(
      "PUT",
      "/api/admin/apps/:packageName/permissions",
      {
        caller: "admin",
        summary:
          "What an app may. Where it runs it is started again, so that nothing it had before stays open",
        body: Type.Object({ permissions: granted }),
        answers: { 200: appAnswer, 404: refusalSchema },
      },
      async ({ params, body }) => {
        const former = store.apps.get(params["packageName"] ?? "");
        if (former === undefined) return appNotFound();
        const app = { ...former, permissions: [...new Set(body.permissions)] };
        await store.saveApp(app);
        return answer({ success: true, data: withoutKey(app) });
      },
    )
    .add(
      "GET",
      "/api/admin/sessions",
      {
        caller: "admin",
        summary: "All sessions that live",
        answers: { 200: Type.Object({ success: Type.Literal(true), data: Type.Array(sessionSchema) }) },
      },
      () => answer({ success: true, data: [...sessions.all()].map(described) }),
    )
    .add(
      "GET",
      "/api/admin/sessions/:userId",
      {
        caller: "admin",
        summary: "A user's session",
        answers: {
          200: Type.Object({
            success: Type.Literal(true),
            data: Type.Intersect([sessionSchema, Type.Object({ subscriptionHistory: valuesSchema })]),
          }),
          404: refusalSchema,
        },
      },
      ({ params }) => {
        const session = sessions.getSession(userIn(params));
        if (session === undefined) return noSession();
        const data = { ...described(session), subscriptionHistory: session.apps.history.all };
        return answer({ success: true, data });
      },
    )
    .add(
      "DELETE",
      "/api/admin/sessions/:userId",
      {
        caller: "admin",
        summary: "Ends a user's session; the phone may come back and begin another",
        answers: { 200: succeededWithWord, 404: refusalSchema },
      },
      async ({ params }) => {
        const session = sessions.getSession(userIn(params));
        if (session === undefined) return noSession();
        await session.end();
        return answer({ success: true, message: "The session has ended" });
      },
    )
    .add(
      "POST",
      "/api/admin/sessions/:userId/apps/:packageName/start",
      {
        caller: "admin",
        summary: "Starts an app for a user",
        answers: { 200: succeededWithWord, 404: refusalSchema, 502: refusalSchema },
      },
      async ({ params }) => {
        const { packageName: name = "" } = params;
        const session = sessions.getSession(userIn(params));
        if (session === undefined) return noSession();
        if (store.apps.get(name) === undefined) return appNotFound();
        if (!session.hasInstalled(name)) {
          return refusal(404, "APP_NOT_INSTALLED", "The user has taken this app off");
        }
        const result = await session.apps.start(name);
        if (result.success) return answer({ success: true, message: `${name} is started` });
        const { stage, message: why } = result.error;
        return answer({ success: false, message: why, error: { stage, message: why } }, 502);
      },
    )
    .add(
      "POST",
      "/api/admin/sessions/:userId/apps/:packageName/stop",
      {
        caller: "admin",
        summary: "Stops an app for a user",
        answers: { 200: succeededWithWord, 404: refusalSchema },
      },
      ({ params }) => {
        const { packageName: name = "" } = params;
        const session = sessions.getSession(userIn(params));
        if (session === undefined) return noSession();
        const stopped = session.apps.stop(name, "system_stop");
        return answer({ success: true, message: stopped ? `${name} is stopped` : `${name} did not run` });
      },
    ).routes;
}

function userIn(params: Readonly<Record<string, string>>): string {
  return canonicalUserId(params["userId"] ?? "");
}

function noSession() {
  return refusal(404, "NO_ACTIVE_SESSION", "The user has no session");
}

function newKey(): string {
  return randomBytes(24).toString("base64url");
}
