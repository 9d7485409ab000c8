import { afterEach, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { TestGateway } from "../support/test-gateway.ts";
import { tlsCertificate } from "../support/tls-certificate.ts";
import { until } from "../support/until.ts";

const gateways: TestGateway[] = [];
afterEach(async () => {
  for (const gateway of gateways.splice(0)) await gateway.close();
});

function start(overrides: ConstructorParameters<typeof TestGateway>[0] = {}): TestGateway {
  const gateway = new TestGateway(overrides);
  gateways.push(gateway);
  return gateway;
}

describe("a gateway that starts", () => {
  test("on port 0 tells the port that it got", async () => {
    const gateway = start();
    expect(gateway.gateway.port).toBeGreaterThan(0);
    expect(gateway.address.url).toBe(`http://127.0.0.1:${gateway.gateway.port}`);
    expect(await (await fetch(`${gateway.address.url}/livez`)).text()).toBe("ok");
  });

  test("on a busy port says so in one line", () => {
    const { port } = start().gateway;
    expect(() => new TestGateway({ port })).toThrow(
      `Port ${port} on 127.0.0.1 is in use by another process; set BROWLINE_PORT to a free one`,
    );
  });

  test("with a certificate speaks TLS on both sockets and over HTTP", async () => {
    const folder = mkdtempSync(join(tmpdir(), "browline-tls-"));
    const tls = { certFile: join(folder, "cert.pem"), keyFile: join(folder, "key.pem") };
    writeFileSync(tls.certFile, tlsCertificate.cert);
    writeFileSync(tls.keyFile, tlsCertificate.key);
    const gateway = start({ tls });
    rmSync(folder, { recursive: true });
    const trust = { tls: { ca: tlsCertificate.cert } };
    const livez = await fetch(`https://127.0.0.1:${gateway.gateway.port}/livez`, trust);
    expect(await livez.text()).toBe("ok");
    const token = await gateway.token("user@example.com");
    const url = `${gateway.address.glassesSocketUrl}?token=${token}`;
    expect(url).toStartWith("wss://127.0.0.1:");
    const socket = new WebSocket(url, trust);
    const first = await new Promise<string>((resolve, reject) => {
      socket.addEventListener("message", ({ data }) => resolve(String(data)));
      socket.addEventListener("error", () => reject(new Error("the socket failed")));
    });
    expect(JSON.parse(first).type).toBe("connection_ack");
  });

  test("with a certificate that is not there says so in one line", () => {
    const tls = { certFile: "/nowhere/cert.pem", keyFile: "/nowhere/key.pem" };
    expect(() => new TestGateway({ tls })).toThrow(
      /^The file of BROWLINE_TLS_CERT cannot be read: [^\n]*cert\.pem[^\n]*$/,
    );
  });

  test("with a key that is not there, or a certificate that is none, names the setting", () => {
    const folder = mkdtempSync(join(tmpdir(), "browline-tls-"));
    const tls = { certFile: join(folder, "cert.pem"), keyFile: join(folder, "key.pem") };
    writeFileSync(tls.certFile, "no certificate");
    expect(() => new TestGateway({ tls })).toThrow(/^The file of BROWLINE_TLS_KEY [^\n]*key\.pem[^\n]*$/);
    writeFileSync(tls.keyFile, "no key");
    expect(() => new TestGateway({ tls })).toThrow(/^[^\n]*see BROWLINE_TLS_CERT and BROWLINE_TLS_KEY$/);
    rmSync(folder, { recursive: true });
  });

  test("on an address of another machine says so", async () => {
    const said = "Cannot listen on 192.0.2.1: not an address of this machine; see BROWLINE_HOST";
    expect(() => new TestGateway({ host: "192.0.2.1" })).toThrow(said);
  });
});

describe("a gateway that closes", () => {
  test("closes both kinds of socket with 1012 and tells the session", async () => {
    const gateway = start();
    const glasses = await gateway.glasses();
    const app = await gateway.app();
    const closing = gateway.gateway.close();
    expect(await glasses.closed).toEqual({ code: 1012, reason: "Service restart" });
    expect(await app.closed).toEqual({ code: 1012, reason: "Service restart" });
    const session = gateway.sessions.getSession("user@example.com");
    expect(session?.closedGenerations).toEqual([1]);
    expect(session?.apps.closedGenerations).toEqual([1]);
    await gateway.clock.advanceAsync(1_000);
    await closing;
    await expect(fetch(`${gateway.httpUrl}/livez`)).rejects.toThrow();
  });

  test("refuses who comes while it closes, and sends away who was on the way in", async () => {
    const gateway = start();
    let loaded = () => {};
    gateway.sessions.loading = new Promise((resolve) => {
      loaded = resolve;
    });
    const early = gateway.rawGlasses();
    await until("the dial", () => gateway.sessions.asked === 1);
    void gateway.gateway.close();
    loaded();
    const glasses = await early;
    await until("the close", () => glasses.ended);
    expect(glasses.closeCode).toBe(1012);
    expect(gateway.sessions.getSession("user@example.com")?.ports).toEqual([]);
  });

  test("may be closed twice, and leaves no timer behind", async () => {
    const gateway = start();
    await gateway.glasses();
    await gateway.app();
    const closing = Promise.all([gateway.gateway.close(), gateway.gateway.close()]);
    await gateway.clock.advanceAsync(1_000);
    await closing;
    expect(gateway.clock.pending).toBe(0);
  });

  test("with a client that does not read, is closed all the same", async () => {
    const gateway = start();
    const glasses = await gateway.rawGlasses();
    glasses.pause();
    const closing = gateway.gateway.close();
    await gateway.clock.advanceAsync(1_000);
    await closing;
  });
});

test("the gauges follow the sockets", async () => {
  const gateway = start();
  const glasses = await gateway.glasses();
  const app = await gateway.app();
  const gauge = async (name: "glassesSockets" | "appSockets") =>
    (await gateway.metrics[name].get()).values[0]?.value;
  expect([await gauge("glassesSockets"), await gauge("appSockets")]).toEqual([1, 1]);
  glasses.close();
  app.close();
  await until(
    "the closes",
    async () => (await gauge("glassesSockets")) === 0 && (await gauge("appSockets")) === 0,
  );
});
