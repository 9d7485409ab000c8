import { describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { tlsCertificate } from "./tls-certificate.ts";

const marker = "TEST_TRUSTS_SIMULATORS";

/** Whether this is such a process. */
export const trustsSimulators = process.env[marker] === "1";

/**
 * Registers tests that dial simulators over TLS. Whom a process trusts is settled when it starts, for its workers too: so
 * the file is run a second time in a process of its own that trusts the tests' certificate, and only there are they run.
 * @param file `import.meta.path` of the test file.
 * @param what names the tests in the list of this process.
 * @param timeoutMs for all of them together.
 */
export function describeTrusting(
  file: string,
  what: string,
  suite: () => void,
  timeoutMs: number = 180_000,
): void {
  if (trustsSimulators) {
    suite();
    return;
  }
  describe(what, () => {
    test(
      "holds in a process that trusts the simulators' certificate",
      async () => {
        const dir = mkdtempSync(join(tmpdir(), "browline-trust-"));
        try {
          const certificate = join(dir, "certificate.pem");
          writeFileSync(certificate, tlsCertificate.cert);
          const child = Bun.spawn([process.execPath, "test", file], {
            env: { ...process.env, NODE_EXTRA_CA_CERTS: certificate, [marker]: "1" },
            stdout: "pipe",
            stderr: "pipe",
          });
          const [exitCode, output, progress] = await Promise.all([
            child.exited,
            new Response(child.stdout).text(),
            new Response(child.stderr).text(),
          ]);
          if (exitCode !== 0) throw new Error(`the tests of ${what} fail:\n${output}\n${progress}`);
          // A process that ran no test would be content as well.
          expect(progress).toMatch(/\b[1-9]\d* pass\b/);
          // Seeds and figures.
          process.stdout.write(output.replace(/^bun test v.*\n/, ""));
          process.stdout.write(`${what}: ${/\d+ pass/.exec(progress)?.[0]}\n`);
        } finally {
          rmSync(dir, { recursive: true });
        }
      },
      timeoutMs,
    );
  });
}
