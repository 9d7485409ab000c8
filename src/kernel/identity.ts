import { createHash, createHmac, timingSafeEqual } from "node:crypto";

/** A short hash of a user id, for logs: correlates lines of one user without naming the person. */
export type UserHash = (userId: string) => string;

/**
 * Hashes that only this server can make: whoever reads its logs and guesses an e-mail address cannot tell whether it is
 * among them.
 * @param secret of this server. The key is made from it, so the hashes tell nothing about it.
 */
export function userHash(secret: string): UserHash {
  const key = createHmac("sha256", secret).update("user ids in logs").digest();
  return (userId) => createHmac("sha256", key).update(userId).digest("base64url").slice(0, 10);
}

/** SHA-256 as lower-case hex: how API keys are stored. */
export function sha256Hex(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}

/** Whether two strings are equal, in a time that tells nothing about where they differ. */
export function equalInConstantTime(a: string, b: string): boolean {
  const digest = (text: string) => createHash("sha256").update(text).digest();
  return timingSafeEqual(digest(a), digest(b));
}

/** User ids are e-mail addresses; two spellings of one address are one user. */
export function canonicalUserId(email: string): string {
  return email.trim().toLowerCase();
}
