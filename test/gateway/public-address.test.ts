import { describe, expect, test } from "bun:test";
import { PublicAddress } from "../../src/gateway/public-address.ts";

describe("the public address", () => {
  test("is the setting where there is one", () => {
    const publicUrl = "https://glasses.example.com/base";
    const address = new PublicAddress({ publicUrl, port: 8002, tls: undefined });
    address.listensOn(9000);
    expect(address.url).toBe(publicUrl);
    expect(address.appSocketUrl("n1")).toBe("wss://glasses.example.com/base/s/n1/app-ws");
  });

  test("else is this machine, on the port that was really taken", () => {
    const address = new PublicAddress({ publicUrl: undefined, port: 0, tls: undefined });
    address.listensOn(9000);
    expect(address.url).toBe("http://127.0.0.1:9000");
    expect(address.appSocketUrl("n1")).toBe("ws://127.0.0.1:9000/s/n1/app-ws");
    expect(address.glassesSocketUrl).toBe("ws://127.0.0.1:9000/glasses-ws");
  });

  test("is secure under a certificate", () => {
    const tls = { certFile: "c", keyFile: "k" };
    const address = new PublicAddress({ publicUrl: undefined, port: 8002, tls });
    expect(address.appSocketUrl("n1")).toBe("wss://127.0.0.1:8002/s/n1/app-ws");
  });
});
