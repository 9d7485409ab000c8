import { describe, expect, test } from "bun:test";
import { StageTimes } from "../../../src/kernel/stage-times.ts";
import { adminToken, TestApi } from "../../support/test-api.ts";

describe("GET /metrics", () => {
  test("shows where time goes: stages, loop lag and stalls, threads, rings, queues and memory", async () => {
    const api = new TestApi();
    const { probes } = api.world.metrics;
    probes.stages.of("main_to_app").record(700);
    probes.addWorker({
      name: "audio-0",
      stages: new StageTimes(),
      cpuMs: () => 1_500,
      ringBacklog: () => ({ total: 3_000, most: 2_000 }),
    });
    probes.watchSocketQueues(() => ({ total: 90, most: 60 }));
    probes.watchOutboxes(() => ({ events: 7, bytes: 900, mostEvents: 4 }));
    const { body } = await api.call("GET", "/metrics");
    for (const line of [
      'browline_stage_seconds_bucket{stage="main_to_app",le="0.0005"} 0',
      'browline_stage_seconds_bucket{stage="main_to_app",le="0.001"} 1',
      'browline_stage_seconds_count{stage="ring_to_worker"} 0',
      "browline_loop_lag_seconds_count 0",
      "browline_loop_stall_began_timestamp_seconds 0",
      'browline_thread_cpu_seconds_total{thread="audio-0"} 1.5',
      'browline_thread_cpu_seconds_total{thread="main"}',
      'browline_ring_backlog_bytes{worker="audio-0"} 3000',
      'browline_ring_backlog_most_bytes{worker="audio-0"} 2000',
      "browline_socket_queue_bytes 90",
      "browline_socket_queue_most_bytes 60",
      "browline_outbox_events 7",
      "browline_outbox_bytes 900",
      "browline_outbox_most_events 4",
      'browline_memory_bytes{kind="heapUsed"}',
    ]) {
      expect(body).toContain(line);
    }
  });

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
