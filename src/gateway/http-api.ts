import { Elysia } from "elysia";
import { type Clock, isoTime } from "../kernel/clock.ts";
import { hashedId } from "../kernel/identity.ts";
import type { Limits } from "../kernel/limits.ts";
import type { Logger } from "../kernel/log.ts";
import type { Metrics } from "../kernel/metrics.ts";
import type { AppRecord, Store } from "../store/store.ts";
import type { SessionSnapshot } from "../wire/glasses.ts";
import { answerAudioConfigure } from "./audio-configure.ts";
import { bearerToken, verifyCoreToken } from "./core-token.ts";
import type { Session, Sessions } from "./sessions.ts";

/** What the rest of the server says about itself. */
export interface HealthReport {
  readonly speech: { readonly available: boolean; readonly detail: string };
  /** Codecs that can be decoded here: `pcm`, `opus`, `lc3`. */
  readonly codecs: readonly string[];
  /** What is missing, a sentence each. */
  readonly degraded: readonly string[];
}

export interface HttpApiParts {
  readonly clock: Clock;
  readonly limits: Limits;
  readonly log: Logger;
  readonly metrics: Metrics;
  readonly sessions: Sessions;
  readonly store: Pick<Store, "apps">;
  readonly tokenSecret: string;
  readonly health: () => HealthReport;
  /** True from the moment the server drains. */
  readonly draining: () => boolean;
}

/** Everything the server says over HTTP apart from upgrades. Answers always; a failure inside is a bare 500. */
export function createHttpApi(parts: HttpApiParts): (request: Request) => Promise<Response> {
  const { clock, metrics, sessions, store } = parts;
  const startedMs = clock.now();
  const stamp = () => isoTime(clock);

  /** Lets a request of a user through, or answers it. */
  const asUser =
    (run: (userId: string, request: Request, packageName: string) => Response | Promise<Response>) =>
    async ({ request, params }: { request: Request; params: unknown }): Promise<Response> => {
      const token = bearerToken(request.headers);
      if (token === undefined) return json({ error: "Authorization header missing or invalid" }, 401);
      const check = await verifyCoreToken(parts.tokenSecret, token);
      if (check.kind === "invalid") {
        const error = check.code === "TOKEN_WITHOUT_USER" ? "Invalid token data" : "Invalid token";
        return json({ error }, 401);
      }
      return run(check.userId, request, packageParameter(params));
    };

  /** The same, for what makes sense only while the user's session lives. */
  const inSession = (
    run: (session: Session, request: Request, packageName: string) => Response | Promise<Response>,
  ) =>
    asUser((userId, request, packageName) => {
      const session = sessions.getSession(userId);
      // This very answer makes phones reconnect their socket and try once more.
      if (session === undefined) {
        const message = "No glasses are connected for this user";
        return json({ error: "NO_ACTIVE_SESSION", message }, 503);
      }
      return run(session, request, packageName);
    });

  const appState = (session: Session) => ({
    type: "app_state_change",
    sessionId: session.userId,
    userSession: session.snapshot(),
    timestamp: stamp(),
  });

  const listApps = asUser((userId) => {
    const snapshot = sessions.getSession(userId)?.snapshot();
    const data = store.apps.all().map((app) => listedApp(app, snapshot));
    return json({ success: true, data, timestamp: stamp() });
  });

  const api = new Elysia()
    .onError(({ code, error, request }) => {
      if (code === "NOT_FOUND") return json({ error: "NOT_FOUND", message: "There is nothing here" }, 404);
      metrics.errors.inc({ where: "http" });
      parts.log.error({ err: error, method: request.method }, "an HTTP request failed");
      return json({ error: "INTERNAL_ERROR", message: "Internal error" }, 500);
    })
    .get("/livez", () => new Response("ok"))
    .get("/health", () => {
      const draining = parts.draining();
      const report = parts.health();
      return json(
        {
          status: draining ? "draining" : "ok",
          timestamp: stamp(),
          sessions: { activeCount: sessions.size },
          uptime: (clock.now() - startedMs) / 1000,
          speech: report.speech,
          codecs: report.codecs,
          degraded: report.degraded,
        },
        draining ? 503 : 200,
      );
    })
    .get("/metrics", async () => {
      const text = await metrics.registry.metrics();
      return new Response(text, { headers: { "content-type": metrics.registry.contentType } });
    })
    .get("/api/client/min-version", () =>
      json({ success: true, data: { required: "0.0.0", recommended: "0.0.0" }, timestamp: stamp() }),
    )
    // Phones that find no LiveKit send their audio over the WebSocket.
    .get("/api/client/livekit/token", () =>
      json({ error: "NOT_FOUND", message: "Audio goes over the WebSocket here" }, 404),
    )
    .post(
      "/api/client/goodbye",
      asUser((userId) => {
        parts.log.debug({ user: hashedId(userId) }, "the phone said goodbye");
        return json({ success: true, timestamp: stamp() });
      }),
    )
    .post(
      "/api/client/audio/configure",
      inSession(async (session, request) => {
        const body = await readJson(request);
        const answer = answerAudioConfigure(body, parts.health().codecs, stamp());
        if (answer.format !== undefined) session.configureAudio(answer.format);
        return json(answer.body, answer.status);
      }),
    )
    .get("/api/apps", listApps)
    .get("/api/client/apps", listApps)
    .post(
      "/apps/:packageName/start",
      inSession(async (session, _request, packageName) => {
        if (store.apps.get(packageName) === undefined) return appNotFound();
        const result = await session.apps.start(packageName);
        if (!result.success) {
          const { stage, message } = result.error;
          return json({ success: false, message, error: { stage, message } }, 502);
        }
        return json({
          success: true,
          data: { status: "started", packageName, appState: appState(session) },
        });
      }),
    )
    .post(
      "/apps/:packageName/stop",
      inSession((session, _request, packageName) => {
        if (store.apps.get(packageName) === undefined) return appNotFound();
        session.apps.stop(packageName);
        return json({
          success: true,
          data: { status: "stopped", packageName, appState: appState(session) },
        });
      }),
    );

  return (request) => Promise.resolve(api.handle(request));
}

function appNotFound(): Response {
  return json({ success: false, message: "App not found" }, 404);
}

function json(body: unknown, status = 200): Response {
  return Response.json(body, { status });
}

function packageParameter(params: unknown): string {
  if (typeof params !== "object" || params === null || !("packageName" in params)) return "";
  return String(params.packageName);
}

/** A body that is absent or no JSON is undefined: some clients announce JSON and send nothing. */
async function readJson(request: Request): Promise<unknown> {
  const text = await request.text();
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** An app as both generations of phones list it: each reads its own spelling. */
function listedApp(app: AppRecord, snapshot: SessionSnapshot | undefined) {
  const running = snapshot?.activeAppSessions.includes(app.packageName) ?? false;
  return {
    packageName: app.packageName,
    name: app.name,
    publicUrl: app.publicUrl,
    type: app.type,
    appType: app.type,
    permissions: app.permissions.map((type) => ({ type })),
    running,
    is_running: running,
    loading: snapshot?.loadingApps.includes(app.packageName) ?? false,
    healthy: true,
    compatibility: { isCompatible: true, missingRequired: [], missingOptional: [], message: "" },
  };
}
