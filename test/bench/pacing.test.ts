import { expect, test } from "bun:test";
import { Pacing } from "../../bench/macro/pacing.ts";

test("every session sends once a period, and their turns are spread over it", () => {
  const pacing = new Pacing(4, 20, 1000);
  const turns = Array.from({ length: 9 }, (_, frame) => [pacing.session(frame), pacing.dueMs(frame)]);
  expect(turns).toEqual([
    [0, 1000],
    [1, 1005],
    [2, 1010],
    [3, 1015],
    [0, 1020],
    [1, 1025],
    [2, 1030],
    [3, 1035],
    [0, 1040],
  ]);
});
