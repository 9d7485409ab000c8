import { asksForHelp } from "./command.ts";
import { FailureDigest, parseTestSummary } from "./test-summary.ts";

/** `bun run test [ARGUMENTS OF bun test]`: runs the tests and ends with a line of its own, `N passed, N failed`. */
if (asksForHelp(process.argv.slice(2))) {
  console.log(`usage: bun run test [FILE ...] [OPTIONS OF bun test]
  Runs all tests, or those in the named files. TEST_SEED=... repeats what is random in them.`);
  process.exit(0);
}
const given = process.argv.slice(2);
// Much of the whole is waiting. More at a time would make what is said to the recogniser wait for the processor.
const lanes = given.length === 0 ? ["--parallel=2"] : [];
const child = Bun.spawn([process.execPath, "test", "--timeout=60000", ...lanes, ...given], {
  cwd: new URL("..", import.meta.url).pathname,
  // Through a pipe Bun would leave the colours out.
  env: { ...process.env, ...(process.stdout.isTTY ? { FORCE_COLOR: "1" } : {}) },
  stdio: ["ignore", "pipe", "pipe"],
});
process.on("SIGINT", () => child.kill("SIGINT"));
process.on("SIGTERM", () => child.kill("SIGTERM"));

const digest = new FailureDigest();

/** Passes a stream on as it comes, and keeps its end, which holds the counts. */
async function relay(from: ReadableStream<Uint8Array>, to: NodeJS.WriteStream): Promise<string> {
  const decoder = new TextDecoder();
  let end = "";
  for await (const chunk of from) {
    to.write(chunk);
    const text = decoder.decode(chunk, { stream: true });
    // The seeds are printed to the one, the failures to the other.
    digest.add(text);
    end = (end + text).slice(-20_000);
  }
  return end;
}

// `bun test` writes its report to stderr.
const [, report, exitCode] = await Promise.all([
  relay(child.stdout, process.stdout),
  relay(child.stderr, process.stderr),
  child.exited,
]);
const summary = parseTestSummary(report);
if (summary === undefined) console.error("The tests ended without a result.");
const { passed, failed } = summary ?? { passed: 0, failed: 0 };
if (digest.failures.length > 0) console.log(`\nWhat failed:\n\n${digest.failures.join("\n\n")}\n`);
console.log(`${passed} passed, ${failed} failed`);
process.exitCode = exitCode !== 0 || failed > 0 || passed === 0 ? exitCode || 1 : 0;
