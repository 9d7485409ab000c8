import { Type } from "@sinclair/typebox";
import { isoTime } from "../../kernel/clock.ts";
import { canonicalUserId } from "../../kernel/identity.ts";
import { answer, refusal, refusalSchema } from "./answer.ts";
import type { EndpointParts } from "./api-parts.ts";
import { Endpoints } from "./endpoints.ts";

/** What apps ask besides their storage and their settings. */
export function sdkApi(parts: EndpointParts) {
  const { clock, sessions, store } = parts;
  return new Endpoints(parts, "For apps")
    .add(
      "GET",
      "/api/public/permissions/:packageName",
      {
        caller: "anyone",
        summary: "What an app has been granted",
        answers: {
          200: Type.Object({
            success: Type.Literal(true),
            packageName: Type.String(),
            permissions: Type.Array(Type.Object({ type: Type.String() })),
          }),
          404: refusalSchema,
        },
      },
      ({ params: { packageName = "" } }) => {
        const app = store.apps.get(packageName);
        if (app === undefined) return answer({ error: "App not found" }, 404);
        const permissions = app.permissions.map((type) => ({ type }));
        return answer({ success: true, packageName, permissions });
      },
    )
    .add(
      "POST",
      "/api/app-communication/discover-users",
      {
        caller: "appInBody",
        summary: "The other users for whom the same app runs, by `Bearer <apiKey>`",
        body: Type.Object({
          packageName: Type.String({ minLength: 1, maxLength: 256 }),
          userId: Type.String({ maxLength: 320 }),
          includeUserProfiles: Type.Optional(Type.Boolean()),
        }),
        answers: {
          200: Type.Object({
            users: Type.Array(
              Type.Object({
                userId: Type.String(),
                sessionId: Type.String(),
                joinedAt: Type.String(),
                userProfile: Type.Optional(Type.Object({ userId: Type.String() })),
              }),
            ),
            totalUsers: Type.Number(),
            timestamp: Type.String(),
          }),
          403: refusalSchema,
        },
      },
      ({ body: { packageName, userId, includeUserProfiles } }) => {
        const asking = sessions.getSession(canonicalUserId(userId));
        if (asking?.apps.app(packageName) === undefined) {
          return refusal(403, "APP_NOT_RUNNING", "The app does not run for the user on whose behalf it asks");
        }
        // Nothing is known of a user but the id.
        const users = sessions
          .usersOf(packageName)
          .filter((user) => user.userId !== asking.userId)
          .map((user) => (includeUserProfiles ? { ...user, userProfile: { userId: user.userId } } : user));
        return answer({ users, totalUsers: users.length, timestamp: isoTime(clock) });
      },
    )
    .add(
      "GET",
      "/api/transcripts/:appSessionId",
      {
        caller: "app",
        summary: "What was said in one of the app's live sessions, of the last half hour",
        query: Type.Object({
          language: Type.Optional(Type.String({ description: "BCP 47, such as en-US" })),
          duration: Type.Optional(
            Type.String({ description: "Seconds before now", pattern: "^\\d+(\\.\\d+)?$" }),
          ),
          startTime: Type.Optional(Type.String({ description: "ISO 8601, or milliseconds since 1970" })),
          endTime: Type.Optional(Type.String({ description: "ISO 8601, or milliseconds since 1970" })),
        }),
        answers: {
          200: Type.Object({
            success: Type.Literal(true),
            language: Type.Union([Type.String(), Type.Null()]),
            segments: Type.Array(
              Type.Object({
                resultId: Type.String(),
                language: Type.String(),
                text: Type.String(),
                isFinal: Type.Boolean(),
                speakerId: Type.String(),
                timestamp: Type.String(),
                provider: Type.String(),
              }),
            ),
            timestamp: Type.String(),
          }),
          403: refusalSchema,
          404: refusalSchema,
        },
      },
      ({ app: { packageName }, params: { appSessionId = "" }, query }) => {
        const session = sessions.findAppSession(appSessionId, packageName);
        const app = session?.apps.app(packageName);
        if (session === undefined || app === undefined) {
          return refusal(404, "SESSION_NOT_FOUND", "The app runs in no session of this id");
        }
        if (!app.may("MICROPHONE")) {
          return refusal(403, "PERMISSION_DENIED", "The app lacks the permission MICROPHONE");
        }
        const fromMs = momentOf(query.startTime);
        const untilMs = momentOf(query.endTime);
        if (Number.isNaN(fromMs) || Number.isNaN(untilMs)) {
          return refusal(400, "INVALID_QUERY", "startTime and endTime are ISO 8601 or milliseconds");
        }
        const segments = session.transcription.history
          .query({
            language: query.language,
            durationMs: query.duration === undefined ? undefined : Number(query.duration) * 1000,
            fromMs,
            untilMs,
          })
          .map(({ atMs, ...segment }) => ({ ...segment, timestamp: new Date(atMs).toISOString() }));
        const timestamp = isoTime(clock);
        return answer({ success: true, language: query.language ?? null, segments, timestamp });
      },
    ).routes;
}

/** Milliseconds since the epoch; NaN for what is no moment. */
function momentOf(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  return /^\d+$/.test(text) ? Number(text) : Date.parse(text);
}
