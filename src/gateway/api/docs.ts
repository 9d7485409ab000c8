import { openapi } from "@elysiajs/openapi";
import { Elysia } from "elysia";
import { docsPage } from "./docs-page.ts";

const bearer = (description: string) => ({ type: "http", scheme: "bearer", description }) as const;

/**
 * The description of all endpoints of the server it is used by: OpenAPI at `/docs/json`, made from their schemas, and a page
 * that shows it at `/docs`. The page is our own and loads nothing from elsewhere, so that it opens without a network.
 */
export function docsApi() {
  return new Elysia()
    .use(
      openapi({
        path: "/docs",
        provider: null,
        documentation: {
          info: {
            title: "Browline",
            version: "1",
            description: "The HTTP side of the cloud half of a pair of smart glasses.",
          },
          components: {
            securitySchemes: {
              coreToken: bearer("The core token of a user"),
              appKey: bearer("packageName:apiKey of an app"),
              appKeyAlone: bearer("apiKey of the app whose packageName is in the body"),
              adminToken: bearer("The admin token, kept in the data folder"),
            },
          },
        },
      }),
    )
    .get("/docs", () => new Response(docsPage, { headers: { "content-type": "text/html; charset=utf-8" } }), {
      detail: { hide: true },
    });
}
