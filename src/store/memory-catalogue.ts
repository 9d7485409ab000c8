import { isDeepStrictEqual } from "node:util";
import type { Stop } from "../kernel/stop.ts";
import type { AppCatalogue, AppRecord, CatalogueChange } from "./store.ts";

/** A catalogue in memory, in order of package names. */
export class MemoryCatalogue implements AppCatalogue {
  #apps: ReadonlyMap<string, AppRecord> = new Map();
  readonly #listeners = new Set<(change: CatalogueChange) => void>();

  get(packageName: string): AppRecord | undefined {
    return this.#apps.get(packageName);
  }

  all(): readonly AppRecord[] {
    return [...this.#apps.values()];
  }

  /** Puts `apps` in place of everything held so far. */
  replace(apps: Iterable<AppRecord>): void {
    const sorted = [...apps].sort((a, b) => (a.packageName < b.packageName ? -1 : 1));
    const before = this.#apps;
    this.#apps = new Map(sorted.map((app) => [app.packageName, app]));
    if (this.#listeners.size === 0) return;
    for (const packageName of new Set([...before.keys(), ...this.#apps.keys()])) {
      const [former, app] = [before.get(packageName), this.#apps.get(packageName)];
      // A store that reads its catalogue anew gives out new records of the same content.
      if (former === app || isDeepStrictEqual(former, app)) continue;
      for (const listener of [...this.#listeners]) listener({ packageName, former, app });
    }
  }

  onChange(listener: (change: CatalogueChange) => void): Stop {
    this.#listeners.add(listener);
    return () => {
      this.#listeners.delete(listener);
    };
  }

  save(app: AppRecord): void {
    this.replace([...this.all().filter(({ packageName }) => packageName !== app.packageName), app]);
  }

  /** Whether there was one. */
  remove(packageName: string): boolean {
    const known = this.#apps.has(packageName);
    this.replace(this.all().filter((app) => app.packageName !== packageName));
    return known;
  }
}
