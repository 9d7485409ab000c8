/** A JSON schema, as far as the API's description uses it. */
interface JsonSchema {
  readonly type?: string;
  readonly const?: unknown;
  readonly anyOf?: readonly JsonSchema[];
  readonly allOf?: readonly JsonSchema[];
  readonly properties?: Readonly<Record<string, JsonSchema>>;
  readonly required?: readonly string[];
  readonly items?: JsonSchema;
  readonly patternProperties?: Readonly<Record<string, JsonSchema>>;
}

/** What of `value` is not as `schema` says, with its place; undefined if all is. */
export function mismatch(schema: JsonSchema, value: unknown, place = "/"): string | undefined {
  if (schema.anyOf !== undefined) {
    const problems = schema.anyOf.map((one) => mismatch(one, value, place));
    return problems.includes(undefined) ? undefined : problems.join(" and ");
  }
  for (const one of schema.allOf ?? []) {
    const problem = mismatch(one, value, place);
    if (problem !== undefined) return problem;
  }
  if ("const" in schema) return value === schema.const ? undefined : `${place} is not ${schema.const}`;
  switch (schema.type) {
    case "object":
      return objectMismatch(schema, value, place);
    case "array":
      if (!Array.isArray(value)) return `${place} is no array`;
      return first(value, (item, i) => mismatch(schema.items ?? {}, item, `${place}${i}/`));
    case "null":
      return value === null ? undefined : `${place} is not null`;
    case "string":
    case "number":
    case "boolean":
      return typeof value === schema.type ? undefined : `${place} is no ${schema.type}`;
    default:
      return undefined;
  }
}

function objectMismatch(schema: JsonSchema, value: unknown, place: string): string | undefined {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return `${place} is no object`;
  const fields = new Map<string, unknown>(Object.entries(value));
  const missing = schema.required?.find((name) => !fields.has(name));
  if (missing !== undefined) return `${place}${missing} is missing`;
  const [every] = Object.values(schema.patternProperties ?? {});
  return first([...fields], ([name, field]) => {
    const own = schema.properties?.[name] ?? every;
    return own === undefined ? undefined : mismatch(own, field, `${place}${name}/`);
  });
}

function first<Item>(
  items: readonly Item[],
  look: (item: Item, i: number) => string | undefined,
): string | undefined {
  for (const [i, item] of items.entries()) {
    const found = look(item, i);
    if (found !== undefined) return found;
  }
  return undefined;
}
