import { describe, expect, test } from "bun:test";
import { tryListening } from "../../src/gateway/listen-error.ts";

const portSetting = "BROWLINE_PORT";

describe("trying an address to listen on", () => {
  test.each(["300.1.1.1", "192.0.2.1", "1.2.3.4.5"])("finds that %s is not here", async (host) => {
    await expect(tryListening({ host, port: 0, portSetting })).rejects.toThrow(
      `Cannot listen on ${host}: not an address of this machine; see BROWLINE_HOST`,
    );
  });

  test("finds a busy port, and names its setting", async () => {
    const busy = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data() {} } });
    const { port } = busy;
    await expect(tryListening({ host: "127.0.0.1", port, portSetting })).rejects.toThrow(
      `Port ${port} on 127.0.0.1 is in use by another process; set BROWLINE_PORT to a free one`,
    );
    busy.stop(true);
  });

  test("leaves the port free", async () => {
    const probe = Bun.serve({ hostname: "127.0.0.1", port: 0, fetch: () => new Response() });
    const port = probe.port ?? 0;
    await probe.stop(true);
    await tryListening({ host: "127.0.0.1", port, portSetting });
    const server = Bun.serve({ hostname: "127.0.0.1", port, reusePort: false, fetch: () => new Response() });
    expect(server.port).toBe(port);
    await server.stop(true);
  });

  test.each(["0.0.0.0", "::", "localhost"])("has nothing against %s", async (host) => {
    await tryListening({ host, port: 0, portSetting });
  });
});
