import { describe, expect, test } from "bun:test";
import { type LedgerRules, PressLedger } from "./press-ledger.ts";

const rules: LedgerRules = {
  duplicateMs: 1_000,
  settledMs: 2_000,
  appGraceMs: 20_000,
  sessionGraceMs: 30_000,
};

/** A ledger of an app that has been there for a while, and what it complains about. */
function ledger(over: { unacknowledged?: boolean } = {}) {
  const problems: string[] = [];
  const book = new PressLedger(rules, (problem) => problems.push(problem), over.unacknowledged);
  book.appBack(0);
  /** Presses from `first` to `last` are made and confirmed, one a millisecond from `atMs` on. */
  const press = (first: number, last: number, atMs: number) => {
    for (let n = first; n <= last; n++) {
      book.sent(n, atMs + n, true);
      book.confirmed(n, atMs + n);
    }
  };
  const arrive = (atMs: number, ...presses: number[]) => {
    for (const n of presses) book.arrived(n, atMs);
  };
  return { book, problems, press, arrive };
}

/** Somebody is away for a while. */
function away(book: PressLedger, who: "app" | "user", fromMs: number, toMs: number): void {
  book[`${who}Away`](fromMs);
  book[`${who}Back`](toMs);
}

describe("a ledger of presses", () => {
  test("is content when everything arrives in order", () => {
    const { book, problems, press, arrive } = ledger();
    press(1, 3, 10_000);
    arrive(10_100, 1, 2, 3);
    book.close(20_000);
    expect(problems).toEqual([]);
    expect(book.counts).toMatchObject({ owed: 3, confirmed: 3, arrived: 3, duplicates: 0 });
  });

  test("misses what the server has had and a later one has overtaken", () => {
    const { problems, press, arrive } = ledger();
    press(1, 3, 10_000);
    arrive(10_100, 1, 3);
    expect(problems).toEqual(["press 2, which the server has had, is lost"]);
  });

  test("misses what was confirmed only after a later one had come", () => {
    const { book, problems, arrive } = ledger();
    for (const n of [1, 2]) book.sent(n, 10_000, true);
    arrive(10_100, 2);
    expect(problems).toEqual([]);
    book.confirmed(1, 10_200);
    expect(problems).toEqual(["press 1, which the server has had, is lost"]);
  });

  test("misses at the end what never came", () => {
    const { book, problems, press } = ledger();
    press(1, 1, 10_000);
    book.close(20_000);
    expect(problems).toEqual(["press 1, which the server has had, is lost"]);
    expect(book.takeLost()).toBe(1);
    expect(book.takeLost()).toBe(0);
  });

  test("does not miss what the server never confirmed, or did not owe", () => {
    const { book, problems, arrive } = ledger();
    book.sent(1, 10_000, true);
    book.sent(2, 10_000, false);
    book.confirmed(2, 10_000);
    book.sent(3, 10_000, true);
    arrive(10_100, 3);
    expect(problems).toEqual([]);
  });

  test("sees what comes out of order, on one connection and over several", () => {
    const { book, problems, press, arrive } = ledger();
    press(1, 3, 10_000);
    arrive(10_100, 2, 1);
    expect(problems).toEqual([
      "press 1, which the server has had, is lost",
      "press 1 came after 2 on one connection",
      "press 1 came for the first time after 2",
    ]);
    book.appAway(10_200);
    book.appBack(10_300);
    arrive(10_400, 3, 2);
    expect(problems.at(-1)).toBe("press 2 came after 3 on one connection");
  });

  test("allows again what came just before a loss, and nothing older", () => {
    const { book, problems, press, arrive } = ledger();
    press(1, 2, 10_000);
    arrive(11_000, 1);
    arrive(12_500, 2);
    book.appAway(13_000);
    book.appBack(14_000);
    arrive(14_100, 2);
    expect(problems).toEqual([]);
    book.appAway(20_000);
    book.appBack(20_500);
    arrive(20_600, 1);
    expect(problems).toEqual(["press 1 came again, though it had come 9000 ms before the app was lost"]);
    expect(book.counts.duplicates).toBe(2);
  });

  test("allows again what came before the first of several losses in quick succession", () => {
    const { book, problems, press, arrive } = ledger();
    press(1, 1, 10_000);
    arrive(12_500, 1);
    book.appAway(13_000);
    book.appBack(14_000);
    book.appAway(14_500);
    book.appBack(15_500);
    arrive(15_600, 1);
    expect(problems).toEqual([]);
  });

  test("allows everything again where the app's pongs are swallowed", () => {
    const { book, problems, press, arrive } = ledger({ unacknowledged: true });
    press(1, 1, 10_000);
    arrive(10_100, 1);
    book.appAway(60_000);
    book.appBack(60_500);
    arrive(60_600, 1);
    expect(problems).toEqual([]);
  });

  test.each<[string, (book: PressLedger) => void]>([
    ["lost, and told", (book) => book.appBack(10_500, 1)],
    ["stopped", (book) => book.stopped(10_500)],
    ["uncommitted", (book) => book.serverDied(10_300, 9_000)],
    ["app away too long", (book) => away(book, "app", 9_000, 29_500)],
    ["glasses away too long", (book) => away(book, "user", 11_000, 41_500)],
  ])("forgives what is missing for a good reason: %s", (pardon, happen) => {
    const { book, problems, press, arrive } = ledger();
    press(1, 2, 10_000);
    happen(book);
    arrive(50_000, 2);
    expect(problems).toEqual([]);
    expect(book.counts.pardoned).toMatchObject({ [pardon]: 1 });
  });

  test.each<[string, (book: PressLedger) => void]>([
    ["one fewer was told", (book) => book.appBack(10_500, 0)],
    ["the stop was before", (book) => book.stopped(9_000)],
    ["it was committed long before the server died", (book) => book.serverDied(15_000, 14_500)],
    ["the app was back within its grace", (book) => away(book, "app", 9_000, 28_500)],
    ["the glasses were back within theirs", (book) => away(book, "user", 11_000, 40_500)],
  ])("does not forgive: %s", (_, happen) => {
    const { book, problems, press, arrive } = ledger();
    press(1, 2, 10_000);
    happen(book);
    arrive(50_000, 2);
    expect(problems).toEqual(["press 1, which the server has had, is lost"]);
  });
});
