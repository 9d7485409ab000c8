import { Type } from "@sinclair/typebox";
import { isoTime } from "../../kernel/clock.ts";
import { userHash } from "../../kernel/identity.ts";
import { audioConfigureSchema } from "../../wire/audio-format.ts";
import { answerAudioConfigure } from "../audio-configure.ts";
import { verifyCoreToken } from "../core-token.ts";
import { answer, refusal, refusalSchema, succeededAt, valuesSchema } from "./answer.ts";
import type { ApiParts } from "./api-parts.ts";
import { Endpoints, tooMany } from "./endpoints.ts";

/** What phones report and ask beside their socket. */
export function phoneApi(parts: ApiParts) {
  const { clock, log, sessions } = parts;
  const hashUser = userHash(parts.tokenSecret);
  const stamp = () => isoTime(clock);
  const done = () => answer({ success: true, timestamp: stamp() });
  const noPlace = () => answer({ success: false, message: "location object required" }, 400);

  return new Endpoints(parts, "For phones")
    .add(
      "GET",
      "/api/client/min-version",
      {
        caller: "anyone",
        summary: "The oldest version of the phone's app that may connect: any",
        answers: {
          200: Type.Object({
            success: Type.Literal(true),
            data: Type.Object({ required: Type.String(), recommended: Type.String() }),
            timestamp: Type.String(),
          }),
        },
      },
      () => answer({ success: true, data: { required: "0.0.0", recommended: "0.0.0" }, timestamp: stamp() }),
    )
    .add(
      "GET",
      "/api/client/livekit/token",
      {
        caller: "anyone",
        summary: "There is no LiveKit here: phones that find none send their audio over the WebSocket",
        answers: { 404: refusalSchema },
      },
      () => answer({ error: "NOT_FOUND", message: "Audio goes over the WebSocket here" }, 404),
    )
    .add(
      "POST",
      "/api/client/goodbye",
      {
        caller: "user",
        summary: "The phone is about to disconnect; taken note of, and the session waits for it all the same",
        answers: { 200: succeededAt },
      },
      ({ userId }) => {
        log.debug({ user: hashUser(userId) }, "the phone said goodbye");
        return done();
      },
    )
    .add(
      "POST",
      "/api/client/audio/configure",
      {
        caller: "session",
        summary: "How the glasses encode audio from the next frame on: pcm, lc3, or opus",
        body: audioConfigureSchema,
        uncheckedBody: true,
        answers: {
          200: Type.Object({
            success: Type.Literal(true),
            format: Type.String(),
            lc3Config: Type.Union([
              Type.Null(),
              Type.Object({
                sampleRate: Type.Number(),
                frameDurationMs: Type.Number(),
                frameSizeBytes: Type.Number(),
              }),
            ]),
            message: Type.String(),
            timestamp: Type.String(),
          }),
          501: refusalSchema,
        },
      },
      ({ session, body }) => {
        const configured = answerAudioConfigure(body, parts.health().codecs, stamp());
        if (configured.format !== undefined) session.configureAudio(configured.format);
        return answer(configured.body, configured.status);
      },
    )
    .add(
      "POST",
      "/api/client/device/state",
      {
        caller: "session",
        summary: "What is known of the glasses; any of the fields",
        body: valuesSchema,
        answers: {
          200: Type.Object({
            success: Type.Literal(true),
            appliedState: Type.Object({
              isGlassesConnected: Type.Boolean(),
              isPhoneConnected: Type.Boolean(),
              modelName: Type.Union([Type.String(), Type.Null()]),
              capabilities: Type.Union([valuesSchema, Type.Null()]),
            }),
            timestamp: Type.String(),
          }),
        },
      },
      ({ session, body }) =>
        answer({ success: true, appliedState: session.device.applyReport(body), timestamp: stamp() }),
    )
    .add(
      "POST",
      "/api/client/location",
      {
        caller: "session",
        summary: "Where the user is: `{location}`, with lat and lng or as Expo writes it",
        body: valuesSchema,
        answers: { 200: succeededAt },
      },
      ({ session, body }) => (session.location.applyReport(placeIn(body)) ? done() : noPlace()),
    )
    .add(
      "POST",
      "/api/client/location/poll-response/:correlationId",
      {
        caller: "session",
        summary: "The answer to an app's question where the user is",
        body: valuesSchema,
        answers: {
          200: Type.Object({
            success: Type.Literal(true),
            resolved: Type.Boolean(),
            timestamp: Type.String(),
          }),
        },
      },
      ({ session, params: { correlationId = "" }, body }) => {
        const resolved = session.location.answerPoll(correlationId, placeIn(body));
        return answer({ success: true, resolved, timestamp: stamp() });
      },
    )
    .add(
      "POST",
      "/api/client/calendar",
      {
        caller: "session",
        summary: "The user's events, as Expo writes them",
        body: Type.Object({
          events: Type.Array(Type.Unknown(), { maxItems: 1_000 }),
          calendars: Type.Optional(Type.Unknown()),
        }),
        answers: { 200: succeededAt },
      },
      ({ session, body }) => {
        session.calendar.applyEvents(body.events);
        return done();
      },
    )
    .add(
      "POST",
      "/api/client/notifications",
      {
        caller: "session",
        summary: "A notification has come on the phone",
        body: valuesSchema,
        answers: { 200: succeededAt },
      },
      ({ session, body }) => (session.notifications.receive(body) ? done() : noNotification()),
    )
    .add(
      "POST",
      "/api/client/notifications/dismissed",
      {
        caller: "session",
        summary: "A notification was dismissed on the phone",
        body: valuesSchema,
        answers: { 200: succeededAt },
      },
      ({ session, body }) => (session.notifications.dismiss(body) ? done() : noNotification()),
    )
    .add(
      "POST",
      "/api/client/feedback",
      {
        caller: "user",
        summary: "What the user has to say; taken, counted, and not kept",
        body: Type.Object({ feedback: Type.Unknown() }),
        answers: {
          200: Type.Object({
            success: Type.Literal(true),
            data: Type.Object({ feedback: Type.Unknown() }),
            timestamp: Type.String(),
          }),
        },
      },
      ({ userId, body: { feedback } }) => {
        log.info({ user: hashUser(userId), bytes: JSON.stringify(feedback).length }, "feedback");
        return answer({ success: true, data: { feedback }, timestamp: stamp() });
      },
    )
    .add(
      "POST",
      "/app/error-report",
      {
        caller: "user",
        summary: "An error of the phone's app; taken, counted, and not kept",
        body: Type.Unknown(),
        uncheckedBody: true,
        answers: { 200: Type.Object({ success: Type.Literal(true) }) },
      },
      ({ userId, body }) => {
        log.warn(
          { user: hashUser(userId), bytes: (JSON.stringify(body) ?? "").length },
          "phone error report",
        );
        return answer({ success: true });
      },
    )
    .add(
      "POST",
      "/api/user-data/set-datetime",
      {
        caller: "anyone",
        summary: "The user's clock, for the apps; the core token stands in the body",
        body: Type.Object({
          coreToken: Type.String(),
          datetime: Type.String({ minLength: 1, maxLength: 256 }),
        }),
        answers: { 200: succeededAt, 401: refusalSchema, 404: refusalSchema, 429: refusalSchema },
      },
      async ({ body: { coreToken, datetime } }) => {
        const check = await verifyCoreToken(parts.tokenSecret, coreToken, parts.store.revocations);
        if (check.kind === "invalid") return answer({ error: "Invalid token" }, 401);
        const waitMs = parts.rates.take(`user ${check.userId}`, parts.limits.userRequestsPerMinute);
        if (waitMs > 0) return tooMany(parts, waitMs);
        const session = sessions.getSession(check.userId);
        if (session === undefined) return answer({ error: "User session not found" }, 404);
        session.dashboard.applyDatetime(datetime);
        return done();
      },
    ).routes;
}

function placeIn(body: Readonly<Record<string, unknown>>): unknown {
  return body["location"] ?? body;
}

function noNotification() {
  return refusal(400, "INVALID_BODY", "A notification has a notificationId");
}
