import { expect, test } from "bun:test";
import { Metrics } from "../../src/kernel/metrics.ts";
import { parseMetrics, sumOf } from "./metric-sample.ts";

test("reads back what the server writes", async () => {
  const metrics = new Metrics();
  metrics.socketsClosed.inc({ side: "app", cause: "peer" }, 3);
  metrics.socketsClosed.inc({ side: "glasses", cause: 'a "strange" one' }, 2);
  metrics.sessions.set(5);
  const samples = parseMetrics(await metrics.registry.metrics());
  expect(sumOf(samples, "browline_sockets_closed_total")).toBe(5);
  expect(sumOf(samples, "browline_sockets_closed_total", { side: "app" })).toBe(3);
  expect(sumOf(samples, "browline_user_sessions")).toBe(5);
  expect(sumOf(samples, "browline_nothing")).toBe(0);
});
