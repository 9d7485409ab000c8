import { expect, test } from "bun:test";
import { commandLine } from "../../src/kernel/command-line.ts";

test("a command is named as it can be typed: with bun, or with npx where bun came by it", () => {
  expect(commandLine("apps list", "/usr/local/bin/bun")).toBe("bun run apps list");
  expect(commandLine("apps list", "/home/ada/.npm/_npx/0123456789abcdef/node_modules/bun/bin/bun.exe")).toBe(
    `npx -y bun@${Bun.version} run apps list`,
  );
});
