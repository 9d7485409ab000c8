import { describe, expect, test } from "bun:test";
import { PublicAddress } from "../../src/gateway/public-address.ts";

const plain = { publicUrl: undefined, host: "127.0.0.1", port: 8002, tls: undefined };

describe("the public address", () => {
  test("is the setting where there is one", () => {
    const publicUrl = "https://glasses.example.com/base";
    const address = new PublicAddress({ ...plain, host: "0.0.0.0", publicUrl });
    address.listensOn(9000);
    expect(address.url).toBe(publicUrl);
    expect(address.appSocketUrl("n1")).toBe("wss://glasses.example.com/base/s/n1/app-ws");
    expect(address.reachesOnlyThisMachine).toBe(false);
  });

  test("else is where the server listens, on the port that was really taken", () => {
    const address = new PublicAddress({ ...plain, host: "192.168.1.5", port: 0 });
    address.listensOn(9000);
    expect(address.url).toBe("http://192.168.1.5:9000");
    expect(address.appSocketUrl("n1")).toBe("ws://192.168.1.5:9000/s/n1/app-ws");
    expect(address.glassesSocketUrl).toBe("ws://192.168.1.5:9000/glasses-ws");
    expect(address.reachesOnlyThisMachine).toBe(false);
  });

  test.each(["0.0.0.0", "::"])(
    "is this machine's own where the server listens on %s, and says so",
    (host) => {
      const address = new PublicAddress({ ...plain, host });
      expect(address.url).toBe("http://127.0.0.1:8002");
      expect(address.reachesOnlyThisMachine).toBe(true);
    },
  );

  test("has an IPv6 address in brackets", () => {
    const address = new PublicAddress({ ...plain, host: "::1" });
    expect(address.url).toBe("http://[::1]:8002");
    expect(new URL(address.appSocketUrl("n1")).hostname).toBe("[::1]");
  });

  test("is secure under a certificate", () => {
    const tls = { certFile: "c", keyFile: "k" };
    const address = new PublicAddress({ ...plain, tls });
    expect(address.appSocketUrl("n1")).toBe("wss://127.0.0.1:8002/s/n1/app-ws");
  });
});
