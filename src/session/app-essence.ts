import { sha256Hex } from "../kernel/identity.ts";
import type { AppRecord } from "../store/store.ts";

/**
 * Names what an app is let in with: two records with the same essence mean the same to a running app. The address is none of
 * it, since webhooks read that anew each time.
 */
export function essenceOf({ apiKeyHash, permissions, type, hardware = [] }: AppRecord): string {
  return sha256Hex(JSON.stringify([apiKeyHash, [...permissions].sort(), type, hardware]));
}
