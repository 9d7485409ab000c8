import { FakeWorld } from "./fake-world.ts";

/** What a process that is killed now leaves behind of a user, and another one that starts on it `awayMs` later. */
export async function restarted(former: FakeWorld, userId: string, awayMs: number): Promise<FakeWorld> {
  // What this turn has changed is kept at its end.
  await null;
  const body = former.journal.sessionOf(userId);
  const events = former.journal.eventsOf(userId);
  const savedMs = former.clock.now();
  const next = new FakeWorld({}, {}, undefined, savedMs + awayMs);
  const user = await next.users.loadUser(userId);
  next.storage.resume({
    aliveMs: savedMs,
    sessions: body === undefined ? [] : [{ userId, savedMs, body, user, events }],
  });
  return next;
}
