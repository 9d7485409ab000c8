import type { FaultCode } from "../kernel/faults.ts";
import { bearerToken, verifiedClaims } from "./core-token.ts";

/** Who an app says it is, and for which session. Its key is still to be checked. */
export interface AppCredentials {
  readonly sessionId: string;
  readonly packageName: string;
  readonly apiKey: string;
  /** Where the app named its user besides the session id. */
  readonly userId?: string;
  /** The highest number that the app has got, if it keeps count. */
  readonly lastSeq?: number | undefined;
}

export type AppTokenCheck =
  /** No token: the app will introduce itself by its first message. */
  | { readonly kind: "absent" }
  | { readonly kind: "valid"; readonly credentials: AppCredentials }
  | { readonly kind: "invalid"; readonly code: FaultCode };

/**
 * Reads the optional upgrade headers of an app: `Authorization: Bearer` with a token signed with the server's own secret
 * that holds `packageName` and `apiKey`, besides `x-user-id`, `x-session-id` and, where the app keeps count, `x-last-seq`.
 * Never rejects.
 */
export async function checkAppToken(secret: string, headers: Headers): Promise<AppTokenCheck> {
  if (!headers.has("authorization")) return { kind: "absent" };
  const token = bearerToken(headers);
  const claims = token === undefined ? undefined : await verifiedClaims(secret, token);
  const { packageName, apiKey } = claims ?? {};
  if (typeof packageName !== "string" || typeof apiKey !== "string") {
    return { kind: "invalid", code: "INVALID_JWT" };
  }
  const userId = headers.get("x-user-id");
  const sessionId = headers.get("x-session-id");
  if (!userId || !sessionId) return { kind: "invalid", code: "MISSING_HEADERS" };
  const lastSeq = Number(headers.get("x-last-seq") ?? Number.NaN);
  const counted = Number.isSafeInteger(lastSeq) && lastSeq >= 0 ? { lastSeq } : {};
  return { kind: "valid", credentials: { sessionId, packageName, apiKey, userId, ...counted } };
}
