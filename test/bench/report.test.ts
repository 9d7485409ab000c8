import { expect, test } from "bun:test";
import { nothingFound } from "../../bench/outcome.ts";
import { renderReport } from "../../bench/report.ts";
import type { Results } from "../../bench/results.ts";

const results: Results = {
  version: 1,
  date: "2026-01-01T12:34:56.000Z",
  command: "bun run bench --full",
  machine: { processor: "a <b>", cores: 2, kernel: "c", bun: "d", loadBefore: 0.5 },
  seconds: 100,
  scenarios: [
    {
      name: "one",
      seconds: 1,
      problem: "it broke",
      outcome: {
        ...nothingFound,
        verdicts: [
          { target: "1", what: "lag", limit: "<= 1 ms", reached: "0.5 ms", pass: true },
          { target: "2", what: "loss", limit: "0", reached: "7", pass: false },
          { target: "3", what: "all", limit: "0", reached: "not known", pass: undefined },
        ],
        controls: [{ target: "1", what: "the other", reached: "9 ms", bites: true }],
        plots: [
          {
            title: "lag over time",
            x: "s",
            y: "ms",
            logY: true,
            series: [
              {
                name: "a",
                points: [
                  [0, 0.1],
                  [1, 100],
                ],
              },
            ],
          },
          { title: "nothing", x: "s", y: "ms", series: [{ name: "a", points: [[0, Number.NaN]] }] },
        ],
        tables: [{ title: "a table", text: "|   | us |\n| - | -: |\n| x |  3 |" }],
        notes: ["VOID: <late>"],
      },
    },
  ],
};

test("a report holds everything and asks nobody for anything", () => {
  const page = renderReport(results, undefined);
  for (const said of [
    "a &lt;b&gt;",
    "MISSED",
    "OPEN",
    "fails, as it must",
    "it broke",
    "VOID: &lt;late&gt;",
  ]) {
    expect(page).toContain(said);
  }
  expect(page).toContain("<td>x</td><td>3</td>");
  expect(page.match(/<polyline/g)).toHaveLength(1);
  expect(page).not.toMatch(/<script|<link|https?:|NaN|undefined/);
});
