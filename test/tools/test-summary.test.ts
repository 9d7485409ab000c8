import { expect, test } from "bun:test";
import { FailureDigest, parseTestSummary } from "../../tools/test-summary.ts";

test("the summary of a test run is read with and without colours", () => {
  const report =
    "(pass) a > b [1.00ms]\n\n 12 pass\n 3 fail\n 40 expect() calls\nRan 15 tests across 2 files. [90.00ms]\n";
  expect(parseTestSummary(report)).toEqual({ passed: 12, failed: 3 });
  const coloured = report
    .replace(" 12 pass", "\x1b[32m 12 pass\x1b[0m")
    .replace(" 3 fail", "\x1b[31m 3 fail\x1b[0m");
  expect(parseTestSummary(coloured)).toEqual({ passed: 12, failed: 3 });
});

test("an error outside of the tests counts as a failure", () => {
  const report = " 1 pass\n 0 fail\n 1 error\nRan 1 test across 1 file. [5.00ms]\n";
  expect(parseTestSummary(report)).toEqual({ passed: 1, failed: 1 });
});

test("what tests print themselves is not taken for the summary", () => {
  const report =
    " 7 pass\nRan 7 tests across 1 file. [1.00ms]\n 2 pass\n 0 fail\nRan 2 tests across 1 file. [1.00ms]\n";
  expect(parseTestSummary(report)).toEqual({ passed: 2, failed: 0 });
});

test("a run that ended before its summary has none", () => {
  expect(parseTestSummary(" 3 pass\nSegmentation fault")).toBeUndefined();
});

test("what was printed about a failed test is kept, and nothing of the tests that passed", () => {
  const digest = new FailureDigest(4);
  const report = [
    "test/a.test.ts:",
    "seed of a: TEST_SEED=1",
    "(pass) one [1.00ms]",
    ...Array.from({ length: 9 }, (_, line) => `line ${line}`),
    "\x1b[31merror\x1b[0m: expected 1, received 2",
    "(fail) two [1.00ms]",
    "",
    "test/b.test.ts:",
    "(fail) three [1.00ms]",
    "2 tests failed:",
    "(fail) two [1.00ms]",
  ].join("\n");
  // In pieces that end anywhere, as a pipe gives them.
  for (let at = 0; at < report.length; at += 7) digest.add(report.slice(at, at + 7));
  digest.add("\n");
  expect(digest.failures).toEqual([
    "test/a.test.ts:\nline 7\nline 8\nerror: expected 1, received 2\n(fail) two [1.00ms]",
    "test/b.test.ts:\n(fail) three [1.00ms]",
  ]);
});
