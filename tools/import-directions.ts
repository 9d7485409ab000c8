import { existsSync, readFileSync } from "node:fs";
import { dirname, join, normalize } from "node:path";

/**
 * Who may import whom, by the folder that a file lies in; the longest folder that matches a path counts. A folder may
 * always import itself.
 */
const mayImport: Readonly<Record<string, readonly string[]>> = {
  "src/kernel/": [],
  "src/wire/": ["src/kernel/"],
  "src/audio/": ["src/kernel/", "src/wire/"],
  "src/store/": ["src/kernel/", "src/wire/"],
  "src/session/": ["src/kernel/", "src/wire/", "src/audio/", "src/store/"],
  "src/gateway/": ["src/kernel/", "src/wire/", "src/audio/", "src/store/", "src/session/"],
  "src/simulator/": ["src/kernel/", "src/wire/", "src/audio/", "src/store/"],
  /** Files directly in `src`: they put the server together. */
  "src/": ["src/kernel/", "src/wire/", "src/audio/", "src/store/", "src/session/", "src/gateway/"],
  "workers/": ["src/kernel/", "src/wire/", "src/audio/"],
  "workers/store-worker.ts": ["src/kernel/", "src/wire/", "src/store/"],
  "tools/": ["src/"],
  /** It checks a key with the very code that will use it. */
  "tools/speech-check.ts": ["src/", "workers/"],
  /** A command of which the tests run a short version, built of what tests are built of. */
  "tools/chaos.ts": ["src/", "test/chaos/"],
  "bench/": ["src/", "workers/"],
  "test/": ["src/", "workers/", "tools/", "bench/"],
};

/** Calls that only some places may make. */
const restrictedCalls = [
  {
    call: /\bAtomics\.wait\s*\(/,
    forbidden: (file: string) =>
      (file.startsWith("src/") || file.startsWith("workers/")) &&
      !/^workers\/(recogniser|pocketsphinx|liveness|store|voice)/.test(file),
    why: "blocks a thread that must not block",
  },
  {
    call: /(?<![.\w])(setTimeout|setInterval)\s*\(/,
    forbidden: (file: string) => file.startsWith("src/") && !/^src\/(kernel|simulator)\//.test(file),
    why: "is a timer besides the clock's",
  },
];

const importStatement =
  /(?:^|[\n;])\s*(?:import|export)\b(?:[^"'`;]*?\bfrom)?\s*["']([^"']+)["']|\bimport\(\s*["']([^"']+)["']\s*\)/g;

/**
 * Checks a set of files. `sources` maps each path, relative to the repository's root, to its text; `exists` says whether an
 * imported path is there. Returns the problems, a line each.
 */
export function importProblems(
  sources: ReadonlyMap<string, string>,
  exists: (path: string) => boolean,
): string[] {
  const problems: string[] = [];
  const imports = new Map<string, string[]>();
  for (const [file, text] of sources) {
    const code = withoutComments(text);
    const targets = relativeImports(file, code);
    imports.set(file, targets);
    for (const target of targets) {
      if (!exists(target)) problems.push(`${file} imports ${target}, which does not exist`);
      else if (!allowed(file, target)) problems.push(`${file} must not import ${target}`);
    }
    for (const { call, forbidden, why } of restrictedCalls) {
      const found = forbidden(file) ? call.exec(code) : null;
      if (found) problems.push(`${file} calls ${found[0].replace(/\s*\($/, "")}, which ${why}`);
    }
  }
  return [...problems, ...cycles(imports)];
}

function relativeImports(file: string, code: string): string[] {
  return [...code.matchAll(importStatement)]
    .map(([, statement, call]) => statement ?? call ?? "")
    .filter((specifier) => specifier.startsWith("."))
    .map((specifier) => normalize(join(dirname(file), specifier)));
}

/** Strings are kept, so that an address in one does not look like the start of a comment. */
function withoutComments(text: string): string {
  return text.replace(
    /("(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'|`(?:\\[\s\S]|[^`\\])*`)|\/\*[\s\S]*?\*\/|\/\/[^\n]*/g,
    (_, literal: string | undefined) => literal ?? "",
  );
}

function allowed(file: string, target: string): boolean {
  const from = roomOf(file);
  const to = roomOf(target);
  if (from === undefined || to === undefined) return false;
  if (from === to) return true;
  const rooms = mayImport[from] ?? [];
  // A file with rules of its own still belongs to its folder.
  return (
    rooms.some((room) => target.startsWith(room)) ||
    (from.endsWith(".ts") && target.startsWith(dirname(from)))
  );
}

function roomOf(file: string): string | undefined {
  return Object.keys(mayImport)
    .filter((room) => file.startsWith(room))
    .sort((a, b) => b.length - a.length)[0];
}

/** Import cycles, each once. Imports of types count: two files that need each other are one. */
function cycles(imports: ReadonlyMap<string, readonly string[]>): string[] {
  const problems: string[] = [];
  const done = new Set<string>();
  const path: string[] = [];
  const visit = (file: string) => {
    const at = path.indexOf(file);
    if (at >= 0) {
      problems.push(`import cycle: ${[...path.slice(at), file].join(" -> ")}`);
      return;
    }
    if (done.has(file)) return;
    path.push(file);
    for (const target of imports.get(file) ?? []) visit(target);
    path.pop();
    done.add(file);
  };
  for (const file of imports.keys()) visit(file);
  return problems;
}

if (import.meta.main) {
  const root = join(import.meta.dir, "..");
  const sources = new Map<string, string>();
  for (const folder of ["src", "workers", "tools", "bench", "test"]) {
    for (const path of new Bun.Glob(`${folder}/**/*.ts`).scanSync(root)) {
      sources.set(path, readFileSync(join(root, path), "utf8"));
    }
  }
  const problems = importProblems(sources, (path) => existsSync(join(root, path)));
  for (const problem of problems) console.log(problem);
  process.exitCode = problems.length > 0 ? 1 : 0;
}
