import { describe, expect, test } from "bun:test";
import { FakePage } from "../../support/fake-page.ts";
import { TestApi } from "../../support/test-api.ts";

const api = new TestApi();

describe("the API's description", () => {
  test("is OpenAPI 3, and made from the endpoints' own schemas", async () => {
    const { body } = await api.call("GET", "/docs/json");
    expect(body).toMatchObject({
      openapi: expect.stringMatching(/^3\./),
      info: { title: "Browline" },
      components: {
        securitySchemes: {
          coreToken: { type: "http", scheme: "bearer" },
          appKey: { type: "http", scheme: "bearer" },
          adminToken: { type: "http", scheme: "bearer" },
        },
      },
      paths: {
        "/api/sdk/simple-storage/{userId}": {
          put: {
            security: [{ appKey: [] }],
            parameters: [{ name: "userId", in: "path", required: true }],
            requestBody: {
              content: { "application/json": { schema: { properties: { data: { type: "object" } } } } },
            },
            responses: { 200: {}, 400: {}, 401: {}, 413: {}, 429: {} },
          },
        },
        "/apps/{packageName}/start": { post: { responses: { 409: {}, 502: {}, 503: {} } } },
      },
    });
  });

  test("has a summary, a tag and every answer of every endpoint", async () => {
    const described = Object.entries(await api.described());
    expect(described.length).toBeGreaterThan(50);
    for (const [path, operations] of described) {
      for (const [verb, operation] of Object.entries(operations)) {
        expect([verb, path, operation]).toMatchObject([
          verb,
          path,
          { summary: expect.any(String), tags: [expect.any(String)], responses: expect.any(Object) },
        ]);
      }
    }
  });

  test("says of a path for another generation of clients what it is an alias of", async () => {
    const paths: Record<string, Record<string, unknown>> = await api.described();
    const aliasOf = (verb: string, path: string) =>
      (paths[path]?.[verb] as Record<string, unknown> | undefined)?.["x-alias-of"];
    expect(aliasOf("get", "/api/client/apps")).toBe("/api/apps");
    expect(aliasOf("post", "/api/apps/{packageName}/start")).toBe("/apps/{packageName}/start");
    expect(aliasOf("post", "/api/auth/exchange-token")).toBe("/auth/exchange-token");
    expect(paths).toHaveProperty(["/apps/{packageName}/start", "post"]);
    expect(aliasOf("post", "/apps/{packageName}/start")).toBeUndefined();
  });

  test("names an app's key alone as the way in where the app is named in the body", async () => {
    expect((await api.described())["/api/app-communication/discover-users"]).toMatchObject({
      post: { security: [{ appKeyAlone: [] }], responses: { 400: {}, 401: {}, 403: {}, 413: {}, 429: {} } },
    });
  });

  test("is shown with its code as code, and its aliases marked", async () => {
    const { body } = await api.call("GET", "/docs");
    const shown = new FakePage();
    await shown.run(String(body), {
      openapi: "3.0.0",
      info: { description: "d" },
      paths: { "/b": { get: { summary: "By `Bearer <key>`, or not", "x-alias-of": "/a" } } },
    });
    const [, summary] = /<summary>(.*?)<\/summary>/.exec(shown.markup) ?? [];
    expect(summary).toBe(
      "<span>GET</span><code>/b</code><span>By <code>Bearer &lt;key&gt;</code>, or not</span>" +
        "<span>alias of <code>/a</code></span>",
    );
  });

  test("is shown by a page that loads nothing from elsewhere", async () => {
    const { status, body, headers } = await api.call("GET", "/docs");
    expect(status).toBe(200);
    expect(headers.get("content-type")).toStartWith("text/html");
    expect(body).toContain('fetch("/docs/json")');
    expect(body).not.toMatch(/https?:\/\/|src=|href=|@import/);
  });
});
