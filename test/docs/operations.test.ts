import { describe, expect, test } from "bun:test";
import { existsSync, readFileSync } from "node:fs";
import { settingsTable } from "../../src/kernel/config.ts";
import { Metrics } from "../../src/kernel/metrics.ts";

const root = new URL("../../", import.meta.url);
const page = readFileSync(new URL("docs/operations.md", root), "utf8");

/** All that a pattern finds on the page, each once. */
function named(pattern: RegExp): string[] {
  return [...new Set([...page.matchAll(pattern)].map(([, name = ""]) => name))];
}

describe("the page for operators names only what there is:", () => {
  const { scripts } = JSON.parse(readFileSync(new URL("package.json", root), "utf8"));

  test.each<[string, string[], (name: string) => unknown]>([
    ["metrics", named(/`(browline_\w+)/g), (name) => new Metrics().registry.getSingleMetric(name)],
    [
      "settings",
      named(/\b(BROWLINE_[A-Z_]+)/g),
      (name) => settingsTable.some((setting) => setting.name === name),
    ],
    ["commands", named(/\bbun run ([\w-]+)/g), (name) => Object.hasOwn(scripts, name)],
    ["tests", named(/\b(test\/[\w/.-]+\.ts)/g), (path) => existsSync(new URL(path, root))],
    [
      "pages",
      named(/\]\(([^)#]+)[^)]*\)/g),
      (path) => existsSync(new URL(path, new URL("docs/operations.md", root))),
    ],
  ])("%s", (_kind, names, isThere) => {
    expect(names).not.toEqual([]);
    expect(names.filter((name) => !isThere(name))).toEqual([]);
  });
});
