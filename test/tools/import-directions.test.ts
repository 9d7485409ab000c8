import { describe, expect, test } from "bun:test";
import { importProblems } from "../../tools/import-directions.ts";

function problemsOf(files: Readonly<Record<string, string>>): string[] {
  const sources = new Map(Object.entries(files));
  return importProblems(sources, (path) => sources.has(path));
}

describe("import directions", () => {
  test("allow a room to import itself and what lies below it", () => {
    expect(
      problemsOf({
        "src/session/a.ts": 'import { b } from "./b.ts";\nimport type { K } from "../kernel/k.ts";',
        "src/session/b.ts": 'import { w } from "../wire/w.ts";',
        "src/kernel/k.ts": "",
        "src/wire/w.ts": 'import { k } from "../kernel/k.ts";',
        "workers/store-worker.ts": 'import "../src/store/s.ts";\nimport { p } from "./parts/p.ts";',
        "workers/parts/p.ts": 'export * from "../../src/audio/a.ts";',
        "src/store/s.ts": "",
        "src/audio/a.ts": "",
      }),
    ).toEqual([]);
  });

  test.each([
    ["src/kernel/a.ts", "src/wire/b.ts", "../wire/b.ts"],
    ["src/session/a.ts", "src/gateway/b.ts", "../gateway/b.ts"],
    ["src/simulator/a.ts", "src/session/b.ts", "../session/b.ts"],
    ["src/main.ts", "workers/b.ts", "../workers/b.ts"],
    ["src/main.ts", "src/simulator/b.ts", "./simulator/b.ts"],
    ["workers/a.ts", "src/session/b.ts", "../src/session/b.ts"],
    ["workers/audio-worker.ts", "src/store/b.ts", "../src/store/b.ts"],
    ["src/gateway/a.ts", "test/b.ts", "../../test/b.ts"],
  ])("forbid %s to import %s", (file, target, specifier) => {
    const expected = [`${file} must not import ${target}`];
    expect(problemsOf({ [file]: `import { b } from "${specifier}";`, [target]: "" })).toEqual(expected);
    expect(problemsOf({ [file]: `import type { b } from "${specifier}";`, [target]: "" })).toEqual(expected);
    expect(problemsOf({ [file]: `export {\n  b,\n} from "${specifier}";`, [target]: "" })).toEqual(expected);
    expect(problemsOf({ [file]: `const b = await import("${specifier}");`, [target]: "" })).toEqual(expected);
  });

  test("take no notice of comments, of text and of workers that are started by their address", () => {
    expect(
      problemsOf({
        "src/kernel/a.ts": [
          '// import { b } from "../wire/b.ts";',
          '/* import "../wire/b.ts"; setTimeout(f); */',
          'const address = "https://example.com"; const worker = new URL("../../workers/w.ts", import.meta.url);',
        ].join("\n"),
        "src/wire/b.ts": "",
      }),
    ).toEqual([]);
  });

  test("name an import of a file that is not there", () => {
    expect(problemsOf({ "src/kernel/a.ts": 'import "./gone.ts";' })).toEqual([
      "src/kernel/a.ts imports src/kernel/gone.ts, which does not exist",
    ]);
  });

  test("find a cycle, once, however long", () => {
    expect(
      problemsOf({
        "src/kernel/a.ts": 'import "./b.ts";',
        "src/kernel/b.ts": 'import { c } from "./c.ts";',
        "src/kernel/c.ts": 'import type { A } from "./a.ts";',
      }),
    ).toEqual(["import cycle: src/kernel/a.ts -> src/kernel/b.ts -> src/kernel/c.ts -> src/kernel/a.ts"]);
  });

  test("keep timers to the clock, and waiting to workers that may block", () => {
    expect(
      problemsOf({
        "src/session/a.ts": "setTimeout(() => {}, 1);",
        "src/gateway/b.ts": "const stop = setInterval(f, 1);\nscheduler.setTimeout(f);",
        "src/kernel/clock.ts": "setTimeout(f, 1);",
        "src/simulator/m.ts": "setTimeout(f, 1);",
        "src/audio/c.ts": "Atomics.waitAsync(a, 0, 0);\nAtomics.wait(a, 0, 0);",
        "workers/audio-worker.ts": "Atomics.wait(a, 0, 0);",
        "workers/recogniser-worker.ts": "Atomics.wait(a, 0, 0);",
      }),
    ).toEqual([
      "src/session/a.ts calls setTimeout, which is a timer besides the clock's",
      "src/gateway/b.ts calls setInterval, which is a timer besides the clock's",
      "src/audio/c.ts calls Atomics.wait, which blocks a thread that must not block",
      "workers/audio-worker.ts calls Atomics.wait, which blocks a thread that must not block",
    ]);
  });
});
