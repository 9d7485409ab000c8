import { FakeWorld } from "./fake-world.ts";

/**
 * What a process that is killed now leaves behind of a user, and another one that starts on it `awayMs` later.
 * @param aheadMs by how much the time of day, with which the next one starts, was ahead of the former one's clock.
 */
export async function restarted(
  former: FakeWorld,
  userId: string,
  awayMs: number,
  aheadMs = 0,
): Promise<FakeWorld> {
  // What this turn has changed is kept at its end.
  await null;
  const body = former.journal.sessionOf(userId);
  const events = former.journal.eventsOf(userId);
  const savedMs = former.clock.now();
  const next = new FakeWorld({}, {}, undefined, savedMs + awayMs + aheadMs);
  const user = await next.users.loadUser(userId);
  next.storage.resume({
    aliveMs: savedMs,
    aheadMs,
    sessions: body === undefined ? [] : [{ userId, savedMs, body, user, events }],
  });
  return next;
}
