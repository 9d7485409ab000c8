import { randomBytes } from "node:crypto";
import type { AppRecord } from "../src/store/store.ts";
import { permissions as knownPermissions, type Permission } from "../src/wire/streams.ts";
import { CommandFailure } from "./command.ts";

/** The options of `apps add`, as they were typed. */
export interface AppOptions {
  readonly name?: string | undefined;
  readonly type?: string | undefined;
  readonly permission?: readonly string[] | undefined;
  readonly key?: string | undefined;
}

/** An app to register, with its key in clear. */
export type AppRequest = Omit<AppRecord, "apiKeyHash"> & { readonly key: string };

/**
 * Reads `PACKAGE URL` and the options. Makes a key where none is given.
 * @throws CommandFailure naming the first thing that is wrong.
 */
export function readAppRequest(positionals: readonly string[], options: AppOptions): AppRequest {
  const [packageName = "", url = "", ...rest] = positionals;
  if (packageName === "" || url === "" || rest.length > 0) {
    throw new CommandFailure("apps add takes a package name and an address");
  }
  if (!/^[a-z0-9_-]+(\.[a-z0-9_-]+)+$/i.test(packageName)) {
    throw new CommandFailure(`${packageName} is not a package name such as com.example.captions`);
  }
  const key = options.key ?? randomBytes(24).toString("base64url");
  if (key.length < 8) throw new CommandFailure("an API key has at least 8 characters");
  return {
    packageName,
    publicUrl: readUrl(url),
    name: options.name?.trim() || packageName,
    type: readType(options.type ?? "standard"),
    permissions: [...new Set((options.permission ?? []).map(readPermission))],
    key,
  };
}

function readUrl(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || !/^https?:$/.test(url.protocol) || url.search !== "" || url.hash !== "") {
    throw new CommandFailure(`${text} is not an address such as http://127.0.0.1:7010`);
  }
  return text.replace(/\/+$/, "");
}

function readType(text: string): AppRecord["type"] {
  if (text === "standard" || text === "background") return text;
  throw new CommandFailure(`${text} is not a type of app: standard or background`);
}

function readPermission(text: string): Permission {
  const permission = knownPermissions.find((known) => known === text.toUpperCase());
  if (permission !== undefined) return permission;
  throw new CommandFailure(`${text} is not a permission: ${knownPermissions.join(", ")}`);
}
