import type { UserRecord } from "../store/store.ts";
import type { Manager, SessionContext } from "./manager.ts";
import type { SessionWorld } from "./session-world.ts";

/** The departments of a session beside its apps, sound and display, in the order in which they are told things. */
export function createManagers(
  _context: SessionContext,
  _world: SessionWorld,
  _user: UserRecord,
): readonly Manager[] {
  return [];
}
