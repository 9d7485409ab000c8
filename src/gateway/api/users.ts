import { Type } from "@sinclair/typebox";
import { canonicalUserId } from "../../kernel/identity.ts";
import { mintCoreToken } from "../core-token.ts";
import { answer, refusal, refusalSchema, succeededWithWord, valuesSchema } from "./answer.ts";
import type { EndpointParts } from "./api-parts.ts";
import { Endpoints } from "./endpoints.ts";

/** The operator's side: users, what is kept of them, and the tokens with which they sign in. */
export function userApi(parts: EndpointParts) {
  const { clock, sessions, store } = parts;

  return new Endpoints(parts, "Admin")
    .add(
      "GET",
      "/api/admin/users",
      {
        caller: "admin",
        summary: "All users of whom something is kept, and who of them has a session",
        answers: {
          200: Type.Object({
            success: Type.Literal(true),
            data: Type.Array(Type.Object({ userId: Type.String(), session: Type.Boolean() })),
          }),
        },
      },
      async () => {
        const live = [...sessions.all()].map(({ userId }) => userId);
        const userIds = [...new Set([...(await store.userIds()), ...live])].sort();
        const data = userIds.map((userId) => ({ userId, session: live.includes(userId) }));
        return answer({ success: true, data });
      },
    )
    .add(
      "GET",
      "/api/admin/users/:userId",
      {
        caller: "admin",
        summary: "What is kept of a user",
        answers: {
          200: Type.Object({ success: Type.Literal(true), data: valuesSchema }),
          400: refusalSchema,
          404: refusalSchema,
        },
      },
      async ({ params }) => {
        const userId = userIn(params);
        if (!isUserId(userId)) return noUserId();
        const known = sessions.getSession(userId) !== undefined || (await store.knowsUser(userId));
        return known ? answer({ success: true, data: await store.loadUser(userId) }) : noUser();
      },
    )
    .add(
      "DELETE",
      "/api/admin/users/:userId",
      {
        caller: "admin",
        summary:
          "Ends a user's session and forgets all that is kept of them, what apps keep for them as well; tokens that are not revoked before still sign in",
        answers: { 200: succeededWithWord, 400: refusalSchema, 404: refusalSchema },
      },
      async ({ params }) => {
        const userId = userIn(params);
        if (!isUserId(userId)) return noUserId();
        const session = sessions.getSession(userId);
        await session?.end();
        const known = await store.removeUser(userId);
        return known || session !== undefined
          ? answer({ success: true, message: "The user is forgotten" })
          : noUser();
      },
    )
    .add(
      "POST",
      "/api/admin/users/:userId/revoke-tokens",
      {
        caller: "admin",
        summary: "Makes all core tokens that a user has had until now worthless, and ends the session",
        answers: { 200: succeededWithWord, 400: refusalSchema },
      },
      async ({ params }) => {
        const userId = userIn(params);
        if (!isUserId(userId)) return noUserId();
        // Tokens say their second only: those of the present one are revoked too.
        await store.revokeTokens(userId, Math.floor(clock.now() / 1000) + 1);
        await sessions.getSession(userId)?.end();
        return answer({ success: true, message: "The user needs a new token" });
      },
    )
    .add(
      "POST",
      "/api/admin/users/:userId/token",
      {
        caller: "admin",
        summary: "A core token, with which the user's glasses and phone sign in",
        answers: {
          200: Type.Object({ success: Type.Literal(true), coreToken: Type.String() }),
          400: refusalSchema,
        },
      },
      async ({ params }) => {
        const userId = userIn(params);
        if (!isUserId(userId)) return noUserId();
        const now = Math.floor(clock.now() / 1000);
        const issuedAt = Math.max(now, store.revocations.get(userId) ?? 0);
        const coreToken = await mintCoreToken(parts.tokenSecret, userId, issuedAt);
        return answer({ success: true, coreToken });
      },
    ).routes;
}

function userIn(params: Readonly<Record<string, string>>): string {
  return canonicalUserId(params["userId"] ?? "");
}

function isUserId(userId: string): boolean {
  return /^[^\s@]+@[^\s@]+$/.test(userId);
}

function noUserId() {
  return refusal(400, "INVALID_USER", "A user id is an e-mail address");
}

function noUser() {
  return refusal(404, "UNKNOWN_USER", "Nothing is kept of such a user");
}
