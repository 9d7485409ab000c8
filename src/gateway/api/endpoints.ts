import { type Static, type TObject, type TSchema, Type } from "@sinclair/typebox";
import { TypeCompiler } from "@sinclair/typebox/compiler";
import { Elysia } from "elysia";
import { Fault } from "../../kernel/faults.ts";
import { type Answer, refusal, refusalSchema } from "./answer.ts";
import type { EndpointParts } from "./api-parts.ts";
import { type Admission, type CallerKind, type Callers, gatekeepers } from "./callers.ts";
import { hidesLength, parseBody, readBody } from "./request-body.ts";

/** What an endpoint is, for its callers and for the API's description alike. */
interface About<Kind extends CallerKind, Body extends TSchema, Query extends TObject> {
  readonly caller: Kind;
  readonly summary: string;
  readonly body?: Body;
  /** For clients that deserve an answer of the endpoint's own to a bad body, which is then not checked before. */
  readonly uncheckedBody?: boolean;
  /** Instead of `limits.jsonBodyBytes`. */
  readonly bodyBytes?: number;
  readonly query?: Query;
  /** A multipart form that the endpoint reads by itself, in pieces; only described here. */
  readonly form?: TSchema;
  /** Bodies by status. What all endpoints with this kind of caller may answer is added. */
  readonly answers: Readonly<Record<number, TSchema>>;
}

type Call<Kind extends CallerKind, Body extends TSchema, Query extends TObject> = Callers[Kind] & {
  readonly request: Request;
  /** Decoded. */
  readonly params: Readonly<Record<string, string>>;
  readonly query: Static<Query>;
  readonly body: Static<Body>;
};

type Verb = "GET" | "POST" | "PUT" | "PATCH" | "DELETE";

/**
 * A group of endpoints under one tag. Each request is admitted, counted against its caller's rate, read within bounds and
 * checked against its schemas before the endpoint's own function runs; what that throws is a bare 500.
 */
export class Endpoints {
  readonly #parts: EndpointParts;
  readonly #tag: string;
  readonly #routes = new Elysia();

  constructor(parts: EndpointParts, tag: string) {
    this.#parts = parts;
    this.#tag = tag;
  }

  /** The group, to be mounted with `use`. */
  get routes(): Elysia {
    return this.#routes;
  }

  /** @param path where the endpoint is, or that and where else, for clients of another generation. */
  add<Kind extends CallerKind, Body extends TSchema, Query extends TObject>(
    verb: Verb,
    path: string | readonly [path: string, ...aliases: string[]],
    about: About<Kind, Body, Query>,
    run: (call: Call<Kind, Body, Query>) => Answer | Promise<Answer>,
  ): this {
    const parts = this.#parts;
    const { limits } = parts;
    const bodyCheck = about.body && !about.uncheckedBody ? TypeCompiler.Compile(about.body) : undefined;
    const queryCheck = about.query && TypeCompiler.Compile(about.query);

    const admit = async (request: Request, body: unknown): Promise<Admission<Kind>> => {
      const admission: Admission<CallerKind> = await gatekeepers[about.caller](parts, request, body);
      if ("refused" in admission) return admission;
      const { rate } = admission;
      const waitMs = rate === undefined ? 0 : parts.rates.take(rate.key, rate.perMinute);
      return waitMs > 0 ? { refused: tooMany(parts, waitMs) } : (admission as Admission<Kind>);
    };

    /** Those who have not said who they are have to tell how much they send, and have little time for it. */
    const readText = async (request: Request): Promise<{ readonly text: string } | Answer> => {
      const anonymous = unknownUntilRead.has(about.caller);
      if (anonymous && hidesLength(request)) return lengthRequired();
      const most = about.bodyBytes ?? limits.jsonBodyBytes;
      const deadline = new AbortController();
      const stopDeadline = parts.clock.after(anonymous ? limits.anonymousBodyMs : limits.bodyMs, () =>
        deadline.abort(),
      );
      const read = await readBody(request, most, deadline.signal).finally(stopDeadline);
      if ("text" in read) return read;
      parts.metrics.httpRefused.inc({ reason: read.refused });
      switch (read.refused) {
        case "too_large":
          return refusal(413, "BODY_TOO_LARGE", `The body may have ${most} bytes`);
        case "too_many_chunks":
          return refusal(400, "TOO_MANY_CHUNKS", "The body comes in too many small chunks");
        case "too_late":
          return refusal(408, "TOO_SLOW", "The body did not come in time");
      }
    };

    const serve = async (
      request: Request,
      params: Record<string, string>,
      query: object,
    ): Promise<Answer> => {
      let admission = about.caller === "appInBody" ? undefined : await admit(request, undefined);
      if (admission !== undefined && "refused" in admission) return admission.refused;
      if (queryCheck && !queryCheck.Check(query)) {
        return refusal(400, "INVALID_QUERY", problemOf(queryCheck.Errors(query).First()));
      }
      let body: unknown;
      if (about.body !== undefined) {
        const read = await readText(request);
        if ("status" in read) return read;
        body = parseBody(read.text);
        if (bodyCheck && !bodyCheck.Check(body)) {
          return refusal(400, "INVALID_BODY", problemOf(bodyCheck.Errors(body).First()));
        }
      }
      admission ??= await admit(request, body);
      if ("refused" in admission) return admission.refused;
      return run({ ...(admission.caller as Callers[Kind]), request, params, query, body } as Call<
        Kind,
        Body,
        Query
      >);
    };

    const [proper, ...aliases] = typeof path === "string" ? [path] : path;
    for (const at of [proper, ...aliases]) {
      this.#routes.route(
        verb,
        at,
        async ({ request, params, query }) => {
          try {
            const { status, body, headers } = await serve(request, params, query);
            return Response.json(body, { status, ...(headers && { headers }) });
          } catch (error) {
            if (error instanceof Fault) {
              return Response.json({ error: error.code, message: error.message }, { status: error.status });
            }
            parts.metrics.errors.inc({ where: "http" });
            parts.log.error({ err: error, verb, path: at }, "an HTTP request failed");
            return Response.json({ error: "INTERNAL_ERROR", message: "Internal error" }, { status: 500 });
          }
        },
        { detail: this.#describe(at, about, at === proper ? undefined : proper) },
      );
    }
    return this;
  }

  #bodyRefusals({ body, caller }: { readonly body?: TSchema; readonly caller: CallerKind }): number[] {
    return body === undefined ? [] : [400, 408, ...(unknownUntilRead.has(caller) ? [411] : []), 413];
  }

  #describe<Kind extends CallerKind>(
    path: string,
    about: About<Kind, TSchema, TObject>,
    aliasOf: string | undefined,
  ) {
    const json = (schema: TSchema) => ({ content: { "application/json": { schema } } });
    const refusals = [...refusalsTo[about.caller], ...this.#bodyRefusals(about), 500];
    const schemas: Record<number, TSchema> = {
      ...Object.fromEntries(
        [...refusals, ...(about.query ? [400] : [])].map((status) => [status, refusalSchema]),
      ),
      ...about.answers,
    };
    const inPath = [...path.matchAll(/:(\w+)/g)].map(([, name = ""]) => ({
      name,
      in: "path" as const,
      required: true,
      schema: Type.String(),
    }));
    const inQuery = Object.entries(about.query?.properties ?? {}).map(([name, schema]) => ({
      name,
      in: "query" as const,
      required: about.query?.required?.includes(name) ?? false,
      schema,
    }));
    const scheme = schemeOf[about.caller];
    return {
      summary: about.summary,
      ...(aliasOf === undefined ? {} : { "x-alias-of": aliasOf.replaceAll(/:(\w+)/g, "{$1}") }),
      tags: [this.#tag],
      security: scheme === undefined ? [] : [{ [scheme]: [] }],
      parameters: [...inPath, ...inQuery],
      ...(about.body === undefined ? {} : { requestBody: { required: true, ...json(about.body) } }),
      ...(about.form === undefined
        ? {}
        : { requestBody: { required: true, content: { "multipart/form-data": { schema: about.form } } } }),
      responses: Object.fromEntries(
        Object.entries(schemas).map(([status, schema]) => [
          status,
          { description: descriptions[Number(status)] ?? "Refused", ...json(schema) },
        ]),
      ),
    };
  }
}

/** Callers whose body is read before it is known who they are. */
const unknownUntilRead: ReadonlySet<CallerKind> = new Set(["anyone", "appInBody"]);

const schemeOf: Readonly<Record<CallerKind, string | undefined>> = {
  anyone: undefined,
  user: "coreToken",
  session: "coreToken",
  glasses: "coreToken",
  app: "appKey",
  appInBody: "appKeyAlone",
  admin: "adminToken",
};

const refusalsTo: Readonly<Record<CallerKind, readonly number[]>> = {
  anyone: [429],
  user: [401, 429],
  session: [401, 429, 503],
  glasses: [401, 409, 429, 503],
  app: [401, 429],
  appInBody: [401, 429],
  admin: [401],
};

const descriptions: Readonly<Record<number, string>> = {
  200: "Done",
  201: "Made",
  400: "The request is not as described",
  401: "The caller is not who may ask this",
  403: "Not allowed",
  404: "Not found",
  409: "Not in this state: the session lives, but its glasses socket is down",
  408: "The body did not come in time",
  411: "Who does not say who it is has to say how much it sends: no chunked bodies",
  413: "Too large",
  429: "Too many requests; the header Retry-After tells when to come back",
  500: "Internal error",
  501: "This server cannot do that",
  502: "The app could not be started",
  503: "No session lives for this user",
};

/** The refusal of a body of unknown length from an unknown sender. */
export function lengthRequired(): Answer {
  return refusal(411, "LENGTH_REQUIRED", "Send Content-Length, not a chunked body");
}

/** The refusal of a request beyond its caller's rate. */
export function tooMany(parts: Pick<EndpointParts, "metrics">, waitMs: number): Answer {
  parts.metrics.httpRefused.inc({ reason: "rate" });
  const seconds = Math.ceil(waitMs / 1000);
  const refused = refusal(
    429,
    "RATE_LIMITED",
    `Too many requests: the rate limit allows the next in ${seconds} s`,
  );
  return { ...refused, headers: { "retry-after": String(seconds) } };
}

function problemOf(error: { readonly path: string; readonly message: string } | undefined): string {
  return `${error?.path || "/"}: ${error?.message ?? "invalid"}`;
}
