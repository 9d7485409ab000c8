import { equalInConstantTime, sha256Hex } from "../../kernel/identity.ts";
import type { AppRecord } from "../../store/store.ts";
import { bearerToken, verifyCoreToken } from "../core-token.ts";
import type { ApiSession } from "../sessions.ts";
import { type Answer, answer, refusal } from "./answer.ts";
import type { EndpointParts } from "./api-parts.ts";

/** Who may call an endpoint, and what it learns of them. */
export interface Callers {
  /** Everybody. */
  readonly anyone: object;
  /** A user, by core token. */
  readonly user: { readonly userId: string };
  /** A user whose session lives. */
  readonly session: { readonly userId: string; readonly session: ApiSession };
  /** A user whose glasses socket is open. */
  readonly glasses: { readonly userId: string; readonly session: ApiSession };
  /** An app, by `Bearer <packageName>:<apiKey>`. */
  readonly app: { readonly app: AppRecord };
  /** An app, by `Bearer <apiKey>` and the `packageName` of its body, which is read before anybody is admitted. */
  readonly appInBody: { readonly app: AppRecord };
  /** The operator, by the admin token. */
  readonly admin: object;
}

export type CallerKind = keyof Callers;

/** A caller let in, with the key under which its requests are counted, or the answer that keeps it out. */
export type Admission<Kind extends CallerKind> =
  | { readonly caller: Callers[Kind]; readonly rate?: { readonly key: string; readonly perMinute: number } }
  | { readonly refused: Answer };

type Gatekeeper<Kind extends CallerKind> = (
  parts: EndpointParts,
  request: Request,
  body: unknown,
) => Admission<Kind> | Promise<Admission<Kind>>;

async function admitUser(parts: EndpointParts, request: Request): Promise<Admission<"user">> {
  const token = bearerToken(request.headers);
  if (token === undefined) return refused({ error: "Authorization header missing or invalid" });
  const check = await verifyCoreToken(parts.tokenSecret, token, parts.store.revocations);
  if (check.kind === "invalid") {
    return refused({ error: check.code === "TOKEN_WITHOUT_USER" ? "Invalid token data" : "Invalid token" });
  }
  const { userId } = check;
  return {
    caller: { userId },
    rate: { key: `user ${userId}`, perMinute: parts.limits.userRequestsPerMinute },
  };
}

async function admitSession(parts: EndpointParts, request: Request): Promise<Admission<"session">> {
  const admission = await admitUser(parts, request);
  if ("refused" in admission) return admission;
  const { userId } = admission.caller;
  const session = parts.sessions.getSession(userId);
  // This very answer makes phones reconnect their socket and try once more.
  if (session === undefined) {
    return { refused: refusal(503, "NO_ACTIVE_SESSION", "No glasses are connected for this user") };
  }
  return { ...admission, caller: { userId, session } };
}

/** By package and key; the key is compared in constant time, and whether app or key is wrong is not told. */
function admitApp(parts: EndpointParts, packageName: string, apiKey: string): Admission<"app"> {
  const app = parts.store.apps.get(packageName);
  const known = equalInConstantTime(sha256Hex(apiKey), app?.apiKeyHash ?? "");
  if (app === undefined || !known) return { refused: refusal(401, "INVALID_API_KEY", "Invalid API key") };
  return {
    caller: { app },
    rate: { key: `app ${packageName}`, perMinute: parts.limits.appRequestsPerMinute },
  };
}

export const gatekeepers: { readonly [Kind in CallerKind]: Gatekeeper<Kind> } = {
  anyone: (parts, request) => ({
    caller: {},
    rate: { key: `peer ${parts.peerOf(request)}`, perMinute: parts.limits.peerRequestsPerMinute },
  }),
  user: admitUser,
  session: admitSession,
  glasses: async (parts, request) => {
    const admission = await admitSession(parts, request);
    if ("refused" in admission || admission.caller.session.connected) return admission;
    const message = "The session waits for its glasses to reconnect";
    return { refused: refusal(409, "GLASSES_DISCONNECTED", message) };
  },
  app: (parts, request) => {
    const [, packageName = "", apiKey = ""] = /^([^:]+):(.+)$/.exec(bearerToken(request.headers) ?? "") ?? [];
    return admitApp(parts, packageName, apiKey);
  },
  appInBody: (parts, request, body) => {
    // The endpoint's own schema has been checked, and says what the body holds.
    const { packageName = "" } = (body ?? {}) as { readonly packageName?: string };
    return admitApp(parts, packageName, bearerToken(request.headers) ?? "");
  },
  admin: (parts, request) =>
    equalInConstantTime(bearerToken(request.headers) ?? "", parts.adminToken)
      ? { caller: {} }
      : { refused: refusal(401, "INVALID_ADMIN_TOKEN", "The admin token is missing or wrong") },
};

function refused(body: { readonly error: string }): { readonly refused: Answer } {
  return { refused: answer(body, 401) };
}
