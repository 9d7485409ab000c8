import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { chmodSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { isOpenToOthers, loadSecrets } from "../../src/gateway/secrets.ts";

let parent: string;
let folder: string;
beforeEach(() => {
  parent = mkdtempSync(join(tmpdir(), "browline-secrets-"));
  folder = join(parent, "data");
});
afterEach(() => rmSync(parent, { recursive: true }));

const none = { tokenSecret: undefined, adminToken: undefined };
const mode = (path: string) => (statSync(path).mode & 0o777).toString(8);

describe("the secrets", () => {
  test("are made on first run, for their owner's eyes only, and stay the same", () => {
    const secrets = loadSecrets(folder, none);
    expect(secrets.tokenSecret).toMatch(/^[0-9a-f]{64}$/);
    expect(secrets.adminToken).toMatch(/^[0-9a-f]{64}$/);
    expect(secrets.adminToken).not.toBe(secrets.tokenSecret);
    expect(mode(folder)).toBe("700");
    expect(readdirSync(folder).sort()).toEqual(["admin-token", "token-secret"]);
    for (const name of readdirSync(folder)) expect(mode(join(folder, name))).toBe("600");
    expect(loadSecrets(folder, none)).toEqual(secrets);
  });

  test("are closed to others again if somebody opened them", () => {
    loadSecrets(folder, none);
    const file = join(folder, "token-secret");
    chmodSync(file, 0o644);
    loadSecrets(folder, none);
    expect(mode(file)).toBe("600");
  });

  test("lie in a folder of which it is known whether others can look into it", () => {
    loadSecrets(folder, none);
    expect(isOpenToOthers(folder)).toBe(false);
    for (const open of [0o750, 0o705, 0o755]) {
      chmodSync(folder, open);
      expect(isOpenToOthers(folder)).toBe(true);
    }
  });

  test("give way to the settings, which are not written down", () => {
    const given = { tokenSecret: "given by the operator", adminToken: "given by the operator too" };
    expect(loadSecrets(folder, given)).toEqual(given);
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
