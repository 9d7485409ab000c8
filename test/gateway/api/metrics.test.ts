import { describe, expect, test } from "bun:test";
import { adminToken, TestApi } from "../../support/test-api.ts";

describe("GET /metrics", () => {
  test("is for everybody, unless the operator says otherwise", async () => {
    const { status, body } = await new TestApi().call("GET", "/metrics");
    expect(status).toBe(200);
    expect(body).toContain("# TYPE browline_user_sessions gauge");
  });

  test("is for whoever has the admin token, when the operator says so", async () => {
    const api = new TestApi({ BROWLINE_METRICS: "admin" });
    for (const bearer of [undefined, "wrong"]) {
      const refused = await api.call("GET", "/metrics", bearer === undefined ? {} : { bearer });
      expect([refused.status, refused.body]).toMatchObject([401, { error: "INVALID_ADMIN_TOKEN" }]);
    }
    const { status, body } = await api.call("GET", "/metrics", { bearer: adminToken });
    expect(status).toBe(200);
    expect(body).toContain("# TYPE browline_user_sessions gauge");
  });

  test("is for nobody, when the operator says so", async () => {
    const api = new TestApi({ BROWLINE_METRICS: "off" });
    expect((await api.call("GET", "/metrics", { bearer: adminToken })).status).toBe(404);
  });
});
