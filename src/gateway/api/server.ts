import { Type } from "@sinclair/typebox";
import { Elysia } from "elysia";
import { isoTime } from "../../kernel/clock.ts";
import { answer, refusalSchema } from "./answer.ts";
import type { ApiParts } from "./api-parts.ts";
import { gatekeepers } from "./callers.ts";
import { Endpoints } from "./endpoints.ts";

const health = Type.Object({
  status: Type.Union([Type.Literal("ok"), Type.Literal("draining")]),
  timestamp: Type.String(),
  sessions: Type.Object({ activeCount: Type.Number() }),
  uptime: Type.Number({ description: "Seconds" }),
  speech: Type.Object({
    available: Type.Boolean(),
    detail: Type.String(),
    providers: Type.Array(
      Type.Object({
        id: Type.String(),
        circuit: Type.Union([Type.Literal("closed"), Type.Literal("open"), Type.Literal("probing")]),
        connections: Type.Integer(),
        waiting: Type.Integer(),
      }),
    ),
    unserved: Type.Integer(),
  }),
  codecs: Type.Array(Type.String()),
  degraded: Type.Array(Type.String()),
});

/** What the server says of itself. */
export function serverApi(parts: ApiParts) {
  const { clock, config, metrics, sessions } = parts;
  const startedMs = clock.now();
  const plain = (summary: string, refusals: Record<string, object> = {}) => ({
    detail: {
      summary,
      tags: ["Server"],
      security: [],
      responses: {
        200: { description: "Done", content: { "text/plain": { schema: Type.String() } } },
        ...refusals,
      },
    },
  });
  const refused = (description: string) => ({
    description,
    content: { "application/json": { schema: refusalSchema } },
  });
  const texts = new Elysia()
    .get("/livez", () => new Response("ok"), plain("Two bytes while the main loop turns"))
    .get(
      "/metrics",
      async ({ request }) => {
        if (config.metrics === "off") {
          return Response.json({ error: "NOT_FOUND", message: "There is nothing here" }, { status: 404 });
        }
        if (config.metrics === "admin") {
          const admission = await gatekeepers.admin(parts, request, undefined);
          if ("refused" in admission) {
            return Response.json(admission.refused.body, { status: admission.refused.status });
          }
        }
        const text = await metrics.registry.metrics();
        return new Response(text, { headers: { "content-type": metrics.registry.contentType } });
      },
      plain("Everything that is counted, for Prometheus", {
        401: refused("BROWLINE_METRICS is admin, and the admin token is missing or wrong"),
        404: refused("BROWLINE_METRICS is off"),
      }),
    );
  return new Endpoints(parts, "Server")
    .add(
      "GET",
      "/health",
      {
        caller: "anyone",
        summary: "Whether the server takes connections, and what is missing",
        answers: { 200: health, 503: health },
      },
      () => {
        const draining = parts.draining();
        const report = parts.health();
        return answer(
          {
            status: draining ? "draining" : "ok",
            timestamp: isoTime(clock),
            sessions: { activeCount: sessions.size },
            uptime: (clock.now() - startedMs) / 1000,
            speech: { ...report.speech, providers: [...report.speech.providers] },
            codecs: report.codecs,
            degraded: report.degraded,
          },
          draining ? 503 : 200,
        );
      },
    )
    .routes.use(texts);
}
