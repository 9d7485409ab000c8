/** One app's text on the dashboard. */
export interface DashboardItem {
  readonly packageName: string;
  readonly text: string;
}

/**
 * The apps' texts in the order in which the apps first came, and whose turn it is. A new text keeps its app's place, so
 * that what the user looks at does not jump because another app has news.
 */
export interface DashboardRing {
  readonly items: readonly DashboardItem[];
  /** Undefined only while there are no items. */
  readonly current: string | undefined;
}

export const emptyRing: DashboardRing = { items: [], current: undefined };

/** Sets an app's text; an empty one takes the app out. */
export function put(ring: DashboardRing, packageName: string, text: string): DashboardRing {
  if (text === "") return remove(ring, packageName);
  const item = { packageName, text };
  const known = ring.items.some((other) => other.packageName === packageName);
  return {
    items: known
      ? ring.items.map((other) => (other.packageName === packageName ? item : other))
      : [...ring.items, item],
    current: ring.current ?? packageName,
  };
}

/** Takes an app out. If it had the turn, the one after it gets it. */
export function remove(ring: DashboardRing, packageName: string): DashboardRing {
  const items = ring.items.filter((item) => item.packageName !== packageName);
  if (items.length === ring.items.length) return ring;
  if (items.length === 0) return emptyRing;
  return { items, current: ring.current === packageName ? advance(ring).current : ring.current };
}

/** Gives the turn to the next app. */
export function advance(ring: DashboardRing): DashboardRing {
  const at = ring.items.findIndex((item) => item.packageName === ring.current);
  return { ...ring, current: ring.items[(at + 1) % ring.items.length]?.packageName };
}

/** The text whose turn it is. */
export function currentText(ring: DashboardRing): string {
  return ring.items.find((item) => item.packageName === ring.current)?.text ?? "";
}
