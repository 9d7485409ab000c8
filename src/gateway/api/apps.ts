import { Type } from "@sinclair/typebox";
import { isoTime } from "../../kernel/clock.ts";
import type { AppRecord } from "../../store/store.ts";
import { compatibility } from "../../wire/hardware.ts";
import type { ApiSession } from "../sessions.ts";
import { answer, appNotFound, refusal, refusalSchema, valuesSchema } from "./answer.ts";
import type { ApiParts } from "./api-parts.ts";
import { Endpoints } from "./endpoints.ts";

const listed = Type.Object({
  success: Type.Literal(true),
  data: Type.Array(
    Type.Object({
      packageName: Type.String(),
      name: Type.String(),
      type: Type.String(),
      running: Type.Boolean(),
      is_running: Type.Boolean(),
      loading: Type.Boolean(),
      healthy: Type.Boolean(),
      permissions: Type.Array(Type.Object({ type: Type.String() })),
    }),
  ),
  timestamp: Type.String(),
});

const stateAfter = (status: string) =>
  Type.Object({
    success: Type.Literal(true),
    data: Type.Object({
      status: Type.Literal(status),
      packageName: Type.String(),
      appState: valuesSchema,
    }),
  });

/** The user's apps, as phones list, start, stop and install them. */
export function appApi(parts: ApiParts) {
  const { clock, sessions, store } = parts;
  const api = new Endpoints(parts, "Apps of a user");

  const appState = (session: ApiSession) => ({
    type: "app_state_change",
    sessionId: session.userId,
    userSession: session.snapshot(),
    timestamp: isoTime(clock),
  });

  /** Whether the user has the app, with or without a session. */
  const installations = async (userId: string): Promise<(packageName: string) => boolean | undefined> => {
    const { installations: made } = await store.loadUser(userId);
    return (packageName) => (Object.hasOwn(made, packageName) ? made[packageName] : undefined);
  };

  api
    .add(
      "GET",
      ["/api/apps", "/api/client/apps"],
      { caller: "user", summary: "The user's apps, with what runs", answers: { 200: listed } },
      async ({ userId }) => {
        const session = sessions.getSession(userId);
        const installed = session === undefined ? await installations(userId) : undefined;
        const apps = store.apps
          .all()
          .filter(
            ({ packageName }) => session?.hasInstalled(packageName) ?? installed?.(packageName) ?? true,
          );
        const data = apps.map((app) => listedApp(app, session, !sessions.isServerDown(app)));
        return answer({ success: true, data, timestamp: isoTime(clock) });
      },
    )
    .add(
      "POST",
      ["/apps/:packageName/start", "/api/apps/:packageName/start"],
      {
        caller: "glasses",
        summary: "Starts an app; answers when it is connected, or why it is not",
        answers: { 200: stateAfter("started"), 404: refusalSchema, 502: refusalSchema },
      },
      async ({ session, params: { packageName = "" } }) => {
        if (store.apps.get(packageName) === undefined) return appNotFound();
        if (!session.hasInstalled(packageName)) {
          return refusal(404, "APP_NOT_INSTALLED", "The user has taken this app off");
        }
        const result = await session.apps.start(packageName);
        if (!result.success) {
          const { stage, message } = result.error;
          return answer({ success: false, message, error: { stage, message } }, 502);
        }
        session.announce("app_started", packageName);
        return answer({
          success: true,
          data: { status: "started", packageName, appState: appState(session) },
        });
      },
    )
    .add(
      "POST",
      ["/apps/:packageName/stop", "/api/apps/:packageName/stop"],
      {
        caller: "session",
        summary: "Stops an app; nothing of it is left when this answers",
        answers: { 200: stateAfter("stopped"), 404: refusalSchema },
      },
      ({ session, params: { packageName = "" } }) => {
        // An app that runs can be stopped, whether it is registered still or not.
        const stopped = session.apps.stop(packageName);
        if (!stopped && store.apps.get(packageName) === undefined) return appNotFound();
        session.announce("app_stopped", packageName);
        return answer({
          success: true,
          data: { status: "stopped", packageName, appState: appState(session) },
        });
      },
    );
  for (const [verb, wanted] of [
    ["install", true],
    ["uninstall", false],
  ] as const) {
    api.add(
      "POST",
      [`/apps/${verb}/:packageName`, `/api/apps/${verb}/:packageName`],
      {
        caller: "user",
        summary: wanted ? "Puts an app among the user's" : "Takes an app off, and stops it",
        answers: {
          200: Type.Object({ success: Type.Literal(true), message: Type.String() }),
          400: refusalSchema,
          404: refusalSchema,
        },
      },
      async ({ userId, params: { packageName = "" } }) => {
        if (store.apps.get(packageName) === undefined) return appNotFound();
        if ((await installations(userId))(packageName) === wanted) {
          return refusal(400, "NO_CHANGE", `The app is ${wanted ? "" : "not "}installed already`);
        }
        const session = sessions.getSession(userId);
        if (session !== undefined) session.setInstalled(packageName, wanted);
        else {
          store.saveInstallation(userId, packageName, wanted);
          if (!wanted) store.saveWantedApp(userId, packageName, false);
        }
        return answer({
          success: true,
          message: `${packageName} is ${wanted ? "installed" : "taken off"}`,
        });
      },
    );
  }

  return api.add(
    "POST",
    "/api/app-uptime/app-pkg-health-check",
    {
      caller: "user",
      summary: "Whether an app's server answers",
      body: Type.Object({ packageName: Type.String() }),
      answers: {
        200: Type.Object({
          packageName: Type.String(),
          success: Type.Boolean(),
          status: Type.String(),
          timestamp: Type.String(),
        }),
        404: refusalSchema,
      },
    },
    async ({ request, body: { packageName } }) => {
      const app = store.apps.get(packageName);
      if (app === undefined) return appNotFound();
      const healthy = await parts.webhooks.probe(app, request.signal);
      const status = healthy ? "healthy" : "unreachable";
      return answer({ packageName, success: healthy, status, timestamp: isoTime(clock) });
    },
  ).routes;
}

/**
 * An app as both generations of phones list it: each reads its own spelling.
 * @param healthy whether nothing is known against its server.
 */
function listedApp(app: AppRecord, session: ApiSession | undefined, healthy: boolean) {
  const snapshot = session?.snapshot();
  const running = snapshot?.activeAppSessions.includes(app.packageName) ?? false;
  return {
    packageName: app.packageName,
    name: app.name,
    description: app.description ?? "",
    version: app.version ?? "1.0.0",
    publicUrl: app.publicUrl,
    webviewURL: app.webviewUrl ?? null,
    webviewUrl: app.webviewUrl ?? null,
    logoURL: app.logoUrl ?? null,
    logoUrl: app.logoUrl ?? null,
    type: app.type,
    appType: app.type,
    permissions: app.permissions.map((type) => ({ type })),
    settings: session?.settings.settingsOf(app.packageName) ?? [],
    hardwareRequirements: app.hardware ?? [],
    running,
    is_running: running,
    is_foreground: running && app.type === "standard",
    loading: snapshot?.loadingApps.includes(app.packageName) ?? false,
    healthy,
    compatibility: compatibility(app.hardware, session?.device.facts.capabilities),
  };
}
