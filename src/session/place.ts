import type { UserSettings, UserStore } from "../store/store.ts";

/** A place as apps hear it. */
export interface Place {
  readonly type: "location_update";
  readonly lat: number;
  readonly lng: number;
  /** Metres. */
  readonly accuracy?: number;
  readonly timestamp: unknown;
}

export interface KnownPlace {
  readonly place: Place;
  /** When it was taken, never in the future. */
  readonly atMs: number;
}

/**
 * Reads a place: `lat` and `lng`, or `latitude` and `longitude`, at the top or within `coords`.
 * @returns undefined where there is none on this planet.
 */
export function readPlace(value: unknown, nowMs: number): KnownPlace | undefined {
  if (typeof value !== "object" || value === null) return undefined;
  const outer: Readonly<Record<string, unknown>> = { ...value };
  const coords = outer["coords"];
  const fields = typeof coords === "object" && coords !== null ? { ...outer, ...coords } : outer;
  const lat = fields["lat"] ?? fields["latitude"];
  const lng = fields["lng"] ?? fields["longitude"];
  if (!isWithin(lat, 90) || !isWithin(lng, 180)) return undefined;
  const { accuracy, timestamp } = fields;
  const taken =
    typeof timestamp === "string" || typeof timestamp === "number"
      ? new Date(timestamp).getTime()
      : Number.NaN;
  return {
    place: {
      type: "location_update",
      lat,
      lng,
      ...(typeof accuracy === "number" ? { accuracy } : {}),
      timestamp: Number.isNaN(taken) ? new Date(nowMs).toISOString() : timestamp,
    },
    atMs: Number.isNaN(taken) ? nowMs : Math.min(taken, nowMs),
  };
}

function isWithin(value: unknown, most: number): value is number {
  return typeof value === "number" && Math.abs(value) <= most;
}

/** Whose the place is that outlives a session: no package can be called so, and so no app is told of it as a setting. */
const keptScope = "(location)";
const keptKey = "place";

/** Keeps a user's place for the next session. That says when it was taken, so that it is not good as new then. */
export function keepPlace(users: UserStore, userId: string, { place, atMs }: KnownPlace): void {
  users.saveSetting(userId, { packageName: keptScope }, keptKey, { ...place, timestamp: atMs });
}

/** The place that the last session has left, if any, among the user's values by package. */
export function readKeptPlace(kept: UserSettings["apps"], nowMs: number): KnownPlace | undefined {
  return readPlace(kept[keptScope]?.[keptKey], nowMs);
}
