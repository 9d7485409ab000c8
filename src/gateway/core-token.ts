import { jwtVerify, SignJWT } from "jose";
import { canonicalUserId } from "../kernel/identity.ts";
import type { Revocations } from "../store/store.ts";

/** Pinned: a token that names another algorithm, `none` above all, is no token. */
const algorithm = "HS256";

/**
 * Makes the token with which a user's glasses connect: as MentraOS clients expect it, without an expiry.
 * @param issuedAt in seconds since 1970; now, if undefined.
 */
export async function mintCoreToken(secret: string, email: string, issuedAt?: number): Promise<string> {
  const userId = canonicalUserId(email);
  return new SignJWT({ email: userId, organizations: [], defaultOrg: null })
    .setProtectedHeader({ alg: algorithm, typ: "JWT" })
    .setSubject(userId)
    .setIssuedAt(issuedAt)
    .sign(new TextEncoder().encode(secret));
}

export type TokenCheck =
  | { readonly kind: "valid"; readonly userId: string }
  | { readonly kind: "invalid"; readonly code: "INVALID_TOKEN" | "TOKEN_WITHOUT_USER" };

/** Checks a core token, its expiry too if it has one, and that it was not revoked. Never rejects. */
export async function verifyCoreToken(
  secret: string,
  token: string,
  revocations: Revocations,
): Promise<TokenCheck> {
  const claims = await verifiedClaims(secret, token);
  if (claims === undefined) return { kind: "invalid", code: "INVALID_TOKEN" };
  const { email, iat } = claims;
  const userId = typeof email === "string" ? canonicalUserId(email) : "";
  const notBefore = revocations.get(userId);
  if (notBefore !== undefined && !(typeof iat === "number" && iat >= notBefore)) {
    return { kind: "invalid", code: "INVALID_TOKEN" };
  }
  return userId === "" ? { kind: "invalid", code: "TOKEN_WITHOUT_USER" } : { kind: "valid", userId };
}

/** The claims of a token signed with `secret`, or undefined if it is not one or has expired. */
export async function verifiedClaims(
  secret: string,
  token: string,
): Promise<Readonly<Record<string, unknown>> | undefined> {
  try {
    const { payload } = await jwtVerify(token, new TextEncoder().encode(secret), { algorithms: [algorithm] });
    return payload;
  } catch {
    return undefined;
  }
}

/** The token of an `Authorization: Bearer` header. */
export function bearerToken(headers: Headers): string | undefined {
  return /^bearer\s+(\S+)/i.exec(headers.get("authorization") ?? "")?.[1];
}
