import { describe, expect, test } from "bun:test";
import { formatFigure, formatTable } from "../../bench/table.ts";

describe("tables of the bench", () => {
  test("columns line up, names to the left and figures to the right", () => {
    const table = formatTable(
      ["", "us"],
      [
        ["short", "1.5"],
        ["a longer name", "12345"],
      ],
    );
    expect(table.split("\n")).toEqual([
      "|               |    us |",
      "| ------------- | ----: |",
      "| short         |   1.5 |",
      "| a longer name | 12345 |",
    ]);
  });

  test("a row with too few cells is filled up", () => {
    expect(formatTable(["a", "b"], [["x"]]).split("\n")[2]).toBe("| x   |     |");
  });

  test("figures keep three digits and say when there is none", () => {
    expect([0.05123, 3.456, 12.34, 1234.5, 0].map(formatFigure)).toEqual([
      "0.0512",
      "3.46",
      "12.3",
      "1235",
      "0",
    ]);
    expect(formatFigure(undefined)).toBe("-");
    expect(formatFigure(Number.NaN)).toBe("-");
    expect(formatFigure(Number.POSITIVE_INFINITY)).toBe("over");
  });
});
