import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { chmodSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { loadSecrets } from "../../src/gateway/secrets.ts";

let parent: string;
let folder: string;
beforeEach(() => {
  parent = mkdtempSync(join(tmpdir(), "browline-secrets-"));
  folder = join(parent, "data");
});
afterEach(() => rmSync(parent, { recursive: true }));

const none = { tokenSecret: undefined };
const mode = (path: string) => (statSync(path).mode & 0o777).toString(8);

describe("the secrets", () => {
  test("are made on first run, for their owner's eyes only, and stay the same", () => {
    const { tokenSecret } = loadSecrets(folder, none);
    expect(tokenSecret).toMatch(/^[0-9a-f]{64}$/);
    expect(mode(folder)).toBe("700");
    expect(mode(join(folder, "token-secret"))).toBe("600");
    expect(readdirSync(folder)).toEqual(["token-secret"]);
    expect(loadSecrets(folder, none)).toEqual({ tokenSecret });
  });

  test("are closed to others again if somebody opened them", () => {
    loadSecrets(folder, none);
    const file = join(folder, "token-secret");
    chmodSync(file, 0o644);
    loadSecrets(folder, none);
    expect(mode(file)).toBe("600");
  });

  test("give way to the setting, which is not written down", () => {
    expect(loadSecrets(folder, { tokenSecret: "given by the operator" })).toEqual({
      tokenSecret: "given by the operator",
    });
    expect(readdirSync(folder)).toEqual([]);
  });

  test("are refused when somebody emptied them", () => {
    loadSecrets(folder, none);
    writeFileSync(join(folder, "token-secret"), "");
    expect(() => loadSecrets(folder, none)).toThrow(/shorter than 16 characters$/);
  });

  test("say in one line that their folder cannot be made", () => {
    writeFileSync(folder, "a file where the folder should be");
    expect(() => loadSecrets(folder, none)).toThrow(/^The data folder [^\n]+ cannot be made: [^\n]+$/);
  });
});
