import { describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { parseAppMessage } from "../../src/wire/apps.ts";
import { parseGlassesMessage } from "../../src/wire/glasses.ts";

const root = new URL("../../", import.meta.url);
const page = readFileSync(new URL("docs/compatibility.md", root), "utf8");

/** Rows of the page by section: what is listed, and the file and name of the test that shows it. */
const rows = page.split("\n## ").flatMap((section) => {
  const title = section.split("\n", 1)[0] ?? "";
  return [...section.matchAll(/^\| `([^`]+)` \| .* \| (?:`([^`]+)`: )?(.*) \|$/gm)].map(
    ([, name = "", file = "", shown = ""]) => ({ title, name, file, shown }),
  );
});

function listed(title: string): string[] {
  return rows.filter((row) => row.title.startsWith(title)).map(({ name }) => name);
}

/** Message types that a module's outbound union can have. */
function sentTypes(module: string, union: string): string[] {
  const source = readFileSync(new URL(`src/wire/${module}.ts`, root), "utf8");
  const declaration = source.slice(source.indexOf(`export type ${union} =`)).split(/;\n\n/, 1)[0] ?? "";
  return [...declaration.matchAll(/readonly type: ((?:"\w+"(?: \| )?)+)/g)].flatMap(([, types = ""]) =>
    [...types.matchAll(/"(\w+)"/g)].map(([, type = ""]) => type),
  );
}

describe("the page on compatibility", () => {
  test("lists every message type that is read or sent", () => {
    expect(listed("From apps")).toEqual(expect.arrayContaining([...parseAppMessage.types]));
    expect(listed("From glasses")).toEqual(expect.arrayContaining([...parseGlassesMessage.types]));
    const toApps = sentTypes("apps", "ToApp");
    const toGlasses = sentTypes("glasses", "ToGlasses");
    expect(toApps.length).toBeGreaterThan(15);
    expect(toGlasses.length).toBeGreaterThan(10);
    expect(listed("To apps")).toEqual(expect.arrayContaining(toApps));
    expect(listed("To glasses")).toEqual(expect.arrayContaining(toGlasses));
  });

  test("lists every call that is served", async () => {
    const calls = listed("REST").join(" ");
    const api = new Set<string>();
    for await (const file of new Bun.Glob("src/gateway/api/*.ts").scan(root.pathname)) {
      const source = readFileSync(new URL(file, root), "utf8");
      for (const [, path = ""] of source.matchAll(/"(\/[\w:/-]*\w)"/g)) api.add(path);
    }
    const missing = [...api].filter((path) => !path.startsWith("/api/admin") && !calls.includes(path));
    expect(missing).toEqual([]);
  });

  test.each(rows)("$name is shown by a test that exists", ({ file, shown }) => {
    expect(shown).not.toBe("");
    expect(readFileSync(new URL(file, root), "utf8")).toContain(shown);
  });
});
