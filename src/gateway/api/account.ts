import { Type } from "@sinclair/typebox";
import { canonicalUserId, sha256Hex } from "../../kernel/identity.ts";
import { WebviewTokens } from "../webview-tokens.ts";
import { answer, appNotFound, refusal, refusalSchema } from "./answer.ts";
import type { EndpointParts } from "./api-parts.ts";
import { Endpoints } from "./endpoints.ts";

const forPackage = Type.Object({ packageName: Type.String({ minLength: 1, maxLength: 256 }) });

/** Signing in: phones, and users on the web pages of apps. */
export function accountApi(parts: EndpointParts) {
  const { clock, limits, store } = parts;
  const tokens = new WebviewTokens(clock, limits.webviewTokenMs, limits.webviewTokens);
  return new Endpoints(parts, "Signing in")
    .add(
      "POST",
      ["/auth/exchange-token", "/api/auth/exchange-token"],
      {
        caller: "anyone",
        summary:
          "Exchanges an identity provider's token for a core token; no provider is trusted here, so none is taken",
        body: Type.Object({
          supabaseToken: Type.Optional(Type.String()),
          authingToken: Type.Optional(Type.String()),
        }),
        uncheckedBody: true,
        answers: { 401: refusalSchema },
      },
      ({ body }) => {
        const { supabaseToken, authingToken } = body ?? {};
        if (!supabaseToken && !authingToken) return answer({ error: "No token provided" }, 400);
        const message = "This server trusts no identity provider: its operator hands out core tokens";
        return answer({ error: "Invalid token", message }, 401);
      },
    )
    .add(
      "POST",
      "/api/auth/generate-webview-token",
      {
        caller: "user",
        summary: "A token that names the user to one app's web page: once, within a minute",
        body: forPackage,
        answers: {
          200: Type.Object({ success: Type.Literal(true), token: Type.String() }),
          404: refusalSchema,
        },
      },
      ({ userId, body: { packageName } }) =>
        store.apps.get(packageName) === undefined
          ? appNotFound()
          : answer({ success: true, token: tokens.issue(userId, packageName) }),
    )
    .add(
      "POST",
      "/api/auth/generate-webview-signed-user-token",
      {
        caller: "user",
        summary:
          "Refused: apps accept only the signature of another cloud; the other token does what is needed",
        body: forPackage,
        answers: { 501: refusalSchema },
      },
      () =>
        refusal(
          501,
          "CANNOT_SIGN",
          "Apps take signed user tokens from another cloud only: use generate-webview-token and hash-with-api-key",
        ),
    )
    .add(
      "POST",
      "/api/auth/hash-with-api-key",
      {
        caller: "user",
        summary: "Vouches to an app for the user's own id, or for the address of this server",
        body: Type.Object({
          stringToHash: Type.String({ minLength: 1, maxLength: 2_048 }),
          packageName: forPackage.properties.packageName,
        }),
        answers: {
          200: Type.Object({ success: Type.Literal(true), hash: Type.String() }),
          403: refusalSchema,
          404: refusalSchema,
        },
      },
      ({ userId, body: { stringToHash, packageName } }) => {
        const app = store.apps.get(packageName);
        if (app === undefined) return appNotFound();
        // An app takes this hash for the word of its cloud. For another user's id it would let one user in as another, and
        // for another server's address it would make the app send its key there.
        const mayHash = canonicalUserId(stringToHash) === userId || isOurs(stringToHash, parts.address.url);
        if (!mayHash) {
          const message =
            "Only the user's own id and this server's public address (BROWLINE_PUBLIC_URL) are vouched for";
          return refusal(403, "NOT_VOUCHED_FOR", message);
        }
        return answer({ success: true, hash: sha256Hex(stringToHash + app.apiKeyHash) });
      },
    )
    .add(
      "POST",
      "/api/auth/exchange-user-token",
      {
        caller: "appInBody",
        summary: "Tells an app, by `Bearer <apiKey>`, whom a token of its web page names",
        body: Type.Object({
          aos_temp_token: Type.String({ minLength: 1, maxLength: 256 }),
          packageName: forPackage.properties.packageName,
        }),
        answers: {
          200: Type.Object({ success: Type.Literal(true), userId: Type.String() }),
        },
      },
      ({ body }) => {
        const userId = tokens.redeem(body.aos_temp_token, body.packageName);
        return userId === undefined
          ? refusal(401, "Invalid or expired token", "The token is unknown, used, expired or another app's")
          : answer({ success: true, userId });
      },
    ).routes;
}

/** Whether an address lies on this server. */
function isOurs(url: string, ours: string): boolean {
  return URL.canParse(url) && URL.canParse(ours) && new URL(url).origin === new URL(ours).origin;
}
