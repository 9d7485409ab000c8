import type { AppCatalogue, AppRecord } from "./store.ts";

/** A catalogue in memory, in order of package names. */
export class MemoryCatalogue implements AppCatalogue {
  #apps: ReadonlyMap<string, AppRecord> = new Map();

  get(packageName: string): AppRecord | undefined {
    return this.#apps.get(packageName);
  }

  all(): readonly AppRecord[] {
    return [...this.#apps.values()];
  }

  /** Puts `apps` in place of everything held so far. */
  replace(apps: Iterable<AppRecord>): void {
    const sorted = [...apps].sort((a, b) => (a.packageName < b.packageName ? -1 : 1));
    this.#apps = new Map(sorted.map((app) => [app.packageName, app]));
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
