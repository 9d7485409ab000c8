import { type Static, Type } from "@sinclair/typebox";
import type { AppRecord } from "../../store/store.ts";
import { hardwareParts } from "../../wire/hardware.ts";
import { permissions } from "../../wire/streams.ts";

const packageName = Type.String({ pattern: "^[A-Za-z0-9_-]+(\\.[A-Za-z0-9_-]+)+$", maxLength: 256 });
const url = Type.String({ pattern: "^https?://[^?#]+$", maxLength: 2_048 });
const text = Type.String({ maxLength: 1_024 });
/** Names of permissions. */
export const granted = Type.Array(Type.Union(permissions.map((name) => Type.Literal(name))), {
  maxItems: 16,
});

const setting = Type.Object({
  key: Type.String({ minLength: 1, maxLength: 256 }),
  type: Type.String({ minLength: 1 }),
  label: Type.Optional(text),
  value: Type.Optional(Type.Unknown()),
  defaultValue: Type.Optional(Type.Unknown()),
  options: Type.Optional(Type.Array(Type.Object({ label: text, value: Type.Unknown() }), { maxItems: 256 })),
  min: Type.Optional(Type.Number()),
  max: Type.Optional(Type.Number()),
});

const heading = Type.Object({
  type: Type.Union([Type.Literal("group"), Type.Literal("titleValue")]),
  title: Type.Optional(text),
  label: Type.Optional(text),
  value: Type.Optional(Type.Unknown()),
});

/** An app without its package name, as it is written and read. */
const appFields = {
  publicUrl: url,
  name: Type.Optional(Type.String({ minLength: 1, maxLength: 256 })),
  type: Type.Optional(Type.Union([Type.Literal("standard"), Type.Literal("background")])),
  permissions: Type.Optional(granted),
  description: Type.Optional(text),
  version: Type.Optional(text),
  webviewUrl: Type.Optional(url),
  logoUrl: Type.Optional(url),
  settings: Type.Optional(Type.Array(Type.Union([setting, heading]), { maxItems: 256 })),
  hardware: Type.Optional(
    Type.Array(
      Type.Object({
        type: Type.Union(hardwareParts.map((part) => Type.Literal(part))),
        level: Type.Union([Type.Literal("REQUIRED"), Type.Literal("OPTIONAL")]),
        description: Type.Optional(text),
      }),
      { maxItems: 16 },
    ),
  ),
  phrases: Type.Optional(Type.Array(Type.String({ minLength: 1, maxLength: 128 }), { maxItems: 16 })),
};

/** Everything but package name and key. */
export const appBody = Type.Object(appFields, { additionalProperties: false });
export const newAppBody = Type.Object({ packageName, ...appFields }, { additionalProperties: false });
/** The record of an app that was described by such a body, with what it leaves out filled in. */
export function readApp(name: string, body: Static<typeof appBody>, apiKeyHash: string): AppRecord {
  return {
    ...body,
    packageName: name,
    name: body.name ?? name,
    publicUrl: body.publicUrl.replace(/\/+$/, ""),
    type: body.type ?? "standard",
    permissions: [...new Set(body.permissions ?? [])],
    apiKeyHash,
  };
}

/** An app as it may be shown. */
export function withoutKey({ apiKeyHash: _hash, ...app }: AppRecord) {
  return app;
}
