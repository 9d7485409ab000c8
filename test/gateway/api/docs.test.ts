import { describe, expect, test } from "bun:test";
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

  test("is shown by a page that loads nothing from elsewhere", async () => {
    const { status, body, headers } = await api.call("GET", "/docs");
    expect(status).toBe(200);
    expect(headers.get("content-type")).toStartWith("text/html");
    expect(body).toContain('fetch("/docs/json")');
    expect(body).not.toMatch(/https?:\/\/|src=|href=|@import/);
  });
});
