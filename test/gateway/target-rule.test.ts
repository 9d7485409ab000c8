import { describe, expect, test } from "bun:test";
import {
  type HostKind,
  hostKind,
  isLocalHost,
  resolvedTargetProblem,
  type TargetPolicy,
  targetProblem,
} from "../../src/gateway/target-rule.ts";

describe("the kind of a host", () => {
  const hosts: [HostKind, string[]][] = [
    [
      "loopback",
      [
        "127.0.0.1",
        "127.255.255.254",
        "localhost",
        "localhost.",
        "LOCALHOST",
        "app.localhost",
        "[::1]",
        // Other spellings of 127.0.0.1: decimal, hexadecimal, octal, short, full-width digits.
        "2130706433",
        "0x7f000001",
        "0x7f.1",
        "0177.0.0.1",
        "127.1",
        "127.0.0.1.",
        "①②⑦.0.0.1",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "[::127.0.0.1]",
        "[64:ff9b::7f00:1]",
        "[2002:7f00:1::]",
        "[::ffff:0:127.0.0.1]",
      ],
    ],
    [
      "private",
      [
        "10.0.0.1",
        "172.16.0.1",
        "172.31.255.255",
        "192.168.1.1",
        "100.64.0.1",
        "0xa.1",
        "[fd12:3456::1]",
        "[::ffff:192.168.0.1]",
        "[::ffff:0:192.168.0.1]",
        "[fd20:ce::253]",
      ],
    ],
    [
      "linkLocal",
      [
        "169.254.169.254",
        "2852039166",
        "0xA9FEA9FE",
        "0251.0376.0251.0376",
        "[fe80::1]",
        "[febf::1]",
        "[::ffff:169.254.169.254]",
        "[64:ff9b::a9fe:a9fe]",
        "[fd00:ec2::254]",
        "100.100.100.200",
        "168.63.129.16",
        "[::ffff:168.63.129.16]",
        "[::ffff:0:169.254.169.254]",
        "[fd20:ce::254]",
      ],
    ],
    [
      "unusable",
      [
        "0.0.0.0",
        "0",
        "0.1.2.3",
        "[::]",
        "224.0.0.1",
        "255.255.255.255",
        "[ff02::1]",
        "[::ffff:0.0.0.0]",
        "[64:ff9b:1::a9fe:a9fe]",
        "[64:ff9b:1:ffff:ffff::1]",
        "[2001::1]",
        "[2001:0:4136:e378:8000:63bf:3fff:fdd2]",
      ],
    ],
    [
      "public",
      [
        "8.8.8.8",
        "172.15.0.1",
        "172.32.0.1",
        "169.253.0.1",
        "128.0.0.1",
        "[2606:4700::1111]",
        "[2a00::1]",
        "[::ffff:8.8.8.8]",
        "168.63.129.15",
        "[2001:4860:4860::8888]",
        "[::ffff:0:8.8.8.8]",
      ],
    ],
    ["name", ["example.com", "localhost.example.com", "127.0.0.1.example.com", "myhost"]],
  ];
  for (const [kind, spellings] of hosts) {
    test.each(spellings)(`is ${kind}: %s`, (host) => {
      expect(hostKind(new URL(`http://${host}:7010/`).hostname)).toBe(kind);
    });
  }
});

describe("the address of an app or of its pictures", () => {
  const cases: [string, TargetPolicy, boolean][] = [
    ["http://127.0.0.1:7010", "private", true],
    ["http://192.168.1.5/app", "private", true],
    ["https://apps.example.com", "private", true],
    ["http://169.254.169.254/latest/meta-data", "private", false],
    ["http://[fe80::1]/", "private", false],
    ["http://0.0.0.0:7010", "private", false],
    ["http://168.63.129.16/", "private", false],
    ["http://[64:ff9b:1::a9fe:a9fe]/", "private", false],
    ["http://[2001:0:4136:e378:8000:63bf:3fff:fdd2]/", "private", false],
    ["http://[::ffff:0:169.254.169.254]/", "private", false],
    ["http://[fd20:ce::254]/", "private", false],
    ["http://[::]:7010", "private", false],
    ["http://2852039166/", "private", false],
    ["http://127.0.0.1:7010", "public", false],
    ["http://2130706433", "public", false],
    ["http://[::ffff:10.0.0.1]/", "public", false],
    ["http://localhost:7010", "public", false],
    ["http://8.8.8.8", "public", true],
    ["https://apps.example.com", "public", true],
    ["http://169.254.169.254/", "all", true],
    ["http://0.0.0.0/", "all", true],
  ];
  test.each(cases)("%s under the policy %s: allowed %p", (url, policy, allowed) => {
    expect(targetProblem(url, policy) === undefined).toBe(allowed);
  });

  test.each(["ftp://example.com", "file:///etc/passwd", "javascript:alert(1)", "not a url", ""])(
    "is never %p",
    (url) => {
      for (const policy of ["public", "private", "all"] as const) {
        expect(targetProblem(url, policy)).toBeString();
      }
    },
  );

  test("is looked up: a public name that stands for a metadata address is refused, one among many too", async () => {
    const stands =
      (...addresses: string[]) =>
      async () =>
        addresses;
    const problem = (policy: TargetPolicy, ...addresses: string[]) =>
      resolvedTargetProblem("http://app.example.com/", policy, undefined, stands(...addresses));
    expect(await problem("private", "8.8.8.8")).toBeUndefined();
    expect(await problem("private", "10.0.0.1")).toBeUndefined();
    expect(await problem("private", "8.8.8.8", "169.254.169.254")).toBeString();
    expect(await problem("private", "8.8.8.8", "fe80::1%eth0")).toBeString();
    expect(await problem("public", "8.8.8.8", "10.0.0.1")).toBeString();
    expect(await problem("all", "169.254.169.254")).toBeUndefined();
  });

  test("that cannot be looked up is left to the call, which will find nobody", async () => {
    const fails = () => Promise.reject(new Error("ENOTFOUND"));
    expect(await resolvedTargetProblem("http://gone.example/", "public", undefined, fails)).toBeUndefined();
    const hangs = () => new Promise<never>(() => {});
    const over = AbortSignal.abort();
    expect(await resolvedTargetProblem("http://slow.example/", "public", over, hangs)).toBeUndefined();
  });
});

test("glasses elsewhere cannot reach a loopback or private address, nor a name without a dot", () => {
  for (const host of ["127.0.0.1", "localhost", "192.168.1.4", "[::1]", "nas"])
    expect(isLocalHost(host)).toBe(true);
  for (const host of ["8.8.8.8", "apps.example.com", "[2606:4700::1111]"])
    expect(isLocalHost(host)).toBe(false);
});
