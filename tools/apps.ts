import { parseArgs } from "node:util";
import { targetProblem } from "../src/gateway/target-rule.ts";
import { loadConfig } from "../src/kernel/config.ts";
import { sha256Hex } from "../src/kernel/identity.ts";
import { permissions } from "../src/wire/streams.ts";
import { withAppDatabase } from "./app-database.ts";
import { readAppRequest } from "./app-request.ts";
import { CommandFailure, runCommand } from "./command.ts";

const usage = `usage: bun run apps add PACKAGE URL [OPTION ...]   register an app, and print its API key
       bun run apps list                        the registered apps
       bun run apps remove PACKAGE              forget an app, and stop it where it runs
PACKAGE is a name such as com.example.notes, URL where the app's server listens, without /webhook.
  --name NAME              what users see (default: the package name)
  --type TYPE              standard, one of which runs at a time, or background (default: standard)
  --permission PERMISSION  what it may ask for; may be repeated: ${permissions.join(", ")}
  --key KEY                an API key of yours (default: one is made)
  --replace                register a known app anew; its former key ends`;

/** `bun run apps add|list|remove`: the apps that the server in this data folder knows. */
await runCommand(usage, () => {
  const { dataDir, targets } = loadConfig(process.env);
  const { values, positionals } = readArguments();
  const [command, ...rest] = positionals;
  switch (command) {
    case "add": {
      const { key, ...app } = readAppRequest(rest, values);
      const { packageName } = app;
      const problem = targetProblem(app.publicUrl, targets);
      if (problem !== undefined) {
        throw new CommandFailure(`${app.publicUrl} is ${problem} (BROWLINE_TARGETS is ${targets})`);
      }
      const replaced = withAppDatabase(dataDir, (database) => {
        const known = database.apps().some((other) => other.packageName === packageName);
        if (known && !values.replace) {
          throw new CommandFailure(
            `${packageName} is registered already. With --replace it is registered anew, and its former key ends.`,
          );
        }
        database.saveApp({ ...app, apiKeyHash: sha256Hex(key) });
        return known;
      });
      const note = replaced ? " (replaced; the former key no longer works)" : "";
      console.log(`${packageName} is registered at ${app.publicUrl}${note}`);
      // The key is stored as a hash only: this is the one moment at which it can be shown.
      console.log(`Its API key, which is not shown again: ${key}`);
      break;
    }
    case "list": {
      if (rest.length > 0) throw new CommandFailure(usage);
      const apps = withAppDatabase(dataDir, (database) => database.apps());
      if (apps.length === 0) {
        console.error("No app is registered.");
        break;
      }
      const head = ["PACKAGE", "URL", "TYPE", "PERMISSIONS", "NAME"];
      const rows = apps.map((app) => {
        const permissions = app.permissions.join(",") || "-";
        return [app.packageName, app.publicUrl, app.type, permissions, app.name];
      });
      for (const line of inColumns([head, ...rows])) console.log(line);
      break;
    }
    case "remove": {
      const [packageName] = rest;
      if (packageName === undefined || rest.length > 1) throw new CommandFailure(usage);
      if (!withAppDatabase(dataDir, (database) => database.removeApp(packageName))) {
        throw new CommandFailure(`No app ${packageName} is registered.`);
      }
      console.log(`${packageName} is removed`);
      break;
    }
    default:
      throw new CommandFailure(usage);
  }
});

/** The rows as lines, with two spaces after the longest cell of a column. */
function inColumns(rows: readonly (readonly string[])[]): string[] {
  const widthOf = (column: number) => Math.max(...rows.map((row) => row[column]?.length ?? 0));
  return rows.map((row) =>
    row
      .map((cell, column) => cell.padEnd(widthOf(column)))
      .join("  ")
      .trimEnd(),
  );
}

function readArguments() {
  try {
    return parseArgs({
      args: process.argv.slice(2),
      allowPositionals: true,
      options: {
        name: { type: "string" },
        type: { type: "string" },
        permission: { type: "string", multiple: true },
        key: { type: "string" },
        replace: { type: "boolean" },
      },
    });
  } catch (error) {
    throw new CommandFailure(`${error instanceof Error ? error.message : error}\n${usage}`);
  }
}
