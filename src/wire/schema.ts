import { type Static, type TObject, Type } from "@sinclair/typebox";
import { TypeCompiler } from "@sinclair/typebox/compiler";

/** What became of one text frame. Everything but `message` is counted, and never closes a socket. */
export type Parsed<Message> =
  | { readonly kind: "message"; readonly message: Message }
  /** Well-formed, but of a type that is not acted on. */
  | { readonly kind: "unknown"; readonly type: string; readonly frame: object }
  /** Of a known type, with a field that is missing or wrong. */
  | {
      readonly kind: "invalid";
      readonly type: string;
      readonly problem: string;
      readonly frame: object;
    }
  /** Not a JSON object with a `type`. */
  | { readonly kind: "malformed"; readonly problem: string };

type Schemas = Readonly<Record<string, TObject>>;

/** The union of all messages of a table of schemas, told apart by `type`. */
export type MessageOf<S extends Schemas> = { [T in keyof S]: { readonly type: T } & Static<S[T]> }[keyof S];

/** Reads a text frame; `types` lists the message types that it knows. */
export type MessageParser<Message> = ((frame: string) => Parsed<Message>) & {
  readonly types: readonly string[];
};

/**
 * Compiles a table of message schemas (message type -> its fields besides `type`) into a parser of text frames.
 * Fields that a schema does not name are kept and ignored. Aliases map other spellings of a type to the table's own.
 */
export function messageParser<const S extends Schemas>(
  schemas: S,
  aliases: Readonly<Record<string, string>> = {},
): MessageParser<MessageOf<S>> {
  const checks = new Map(
    Object.entries(schemas).map(([type, schema]) => [type, TypeCompiler.Compile(schema)]),
  );
  const parse = (frame: string): Parsed<MessageOf<S>> => {
    let value: unknown;
    try {
      value = JSON.parse(frame);
    } catch {
      return { kind: "malformed", problem: "not JSON" };
    }
    if (typeof value !== "object" || value === null || !("type" in value) || typeof value.type !== "string") {
      return { kind: "malformed", problem: "not an object with a type" };
    }
    const type = Object.hasOwn(aliases, value.type) ? (aliases[value.type] ?? value.type) : value.type;
    const check = checks.get(type);
    if (check === undefined) return { kind: "unknown", type, frame: value };
    if (!check.Check(value)) {
      const error = check.Errors(value).First();
      const problem = `${error?.path || "/"}: ${error?.message ?? "invalid"}`;
      return { kind: "invalid", type, problem, frame: value };
    }
    value.type = type;
    return { kind: "message", message: value as unknown as MessageOf<S> };
  };
  return Object.assign(parse, { types: [...checks.keys()] });
}

/** A field that clients send as a string, as a number of milliseconds, or not at all; read by nobody. */
export const timestamp = Type.Optional(Type.Unknown());
