import type { Layout } from "../wire/layouts.ts";

/** Heads the card that tells the user which apps are starting. */
const bootCardTitle = "Starting";

interface Boot {
  readonly name: string;
  readonly sinceMs: number;
  readonly untilMs: number;
}

/** What the card says now, since when, and when it changes by itself. */
export interface BootCard {
  readonly layout: Layout;
  readonly atMs: number;
  readonly untilMs: number;
}

/**
 * The apps that are starting. Each has its own start and end, so that what was left of an earlier start cannot shorten a
 * later one; the end is a time and no timer, so that nothing can stay.
 */
export class BootCards {
  readonly #boots = new Map<string, Boot>();

  /** @param name as the user knows the app. */
  begin(packageName: string, name: string, nowMs: number, untilMs: number): void {
    this.#boots.delete(packageName);
    this.#boots.set(packageName, { name, sinceMs: nowMs, untilMs });
  }

  /** The app has something to show, or will not come. */
  end(packageName: string): void {
    this.#boots.delete(packageName);
  }

  /** One card for all that are starting; undefined while nobody is. */
  card(nowMs: number): BootCard | undefined {
    for (const [packageName, { untilMs }] of this.#boots) {
      if (untilMs <= nowMs) this.#boots.delete(packageName);
    }
    if (this.#boots.size === 0) return undefined;
    const boots = [...this.#boots.values()];
    return {
      layout: {
        layoutType: "reference_card",
        title: bootCardTitle,
        text: boots.map(({ name }) => name).join(", "),
      },
      atMs: Math.max(...boots.map(({ sinceMs }) => sinceMs)),
      untilMs: Math.min(...boots.map(({ untilMs }) => untilMs)),
    };
  }

  clear(): void {
    this.#boots.clear();
  }
}
