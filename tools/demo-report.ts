/** How one sentence fared. Times in milliseconds after its last audible sample was sent; undefined where nothing came. */
export interface SentenceResult {
  readonly codec: string;
  readonly said: string;
  /** What the app got as finals, one after the other. */
  readonly heard: readonly string[];
  /** What the glasses showed in the end. */
  readonly shown: string;
  readonly interims: number;
  readonly finalMs: number | undefined;
  readonly shownMs: number | undefined;
}

/** Whether the app got exactly one final, and it and the display hold exactly the words that were said. */
export function isRight({ said, heard, shown }: SentenceResult): boolean {
  return heard.length === 1 && words(heard[0] ?? "") === words(said) && words(shown) === words(said);
}

/** Capitals and punctuation are not words. */
function words(text: string): string {
  return text
    .toLowerCase()
    .replace(/[^\p{L}\p{N}' ]+/gu, " ")
    .trim()
    .replace(/\s+/g, " ");
}

/** The table at the end of the demo, a line a sentence. */
export function resultTable(results: readonly SentenceResult[]): string[] {
  const saidWidth = Math.max(4, ...results.map(({ said }) => said.length));
  const heardWidth = Math.max(5, ...results.map(({ heard }) => heard.join(" | ").length));
  const row = (mark: string, codec: string, said: string, heard: string, final: string, shown: string) =>
    `${mark.padEnd(2)}${codec.padEnd(6)}${said.padEnd(saidWidth + 2)}${heard.padEnd(heardWidth + 2)}${final.padStart(9)}${shown.padStart(12)}`;
  return [
    row("", "codec", "said", "heard", "final", "displayed"),
    ...results.map((result) =>
      row(
        isRight(result) ? "✓" : "✗",
        result.codec,
        result.said,
        result.heard.join(" | ") || "-",
        time(result.finalMs),
        time(result.shownMs),
      ),
    ),
  ];
}

/** One line on all of them. */
export function resultSummary(results: readonly SentenceResult[]): string {
  const right = results.filter(isRight).length;
  const finals = results
    .flatMap(({ finalMs }) => (finalMs === undefined ? [] : [finalMs]))
    .sort((a, b) => a - b);
  const median = finals[Math.floor(finals.length / 2)];
  return `${right} of ${results.length} sentences word for word; final ${time(median)} (median), ${time(finals.at(-1))} (worst) after the last sound`;
}

function time(ms: number | undefined): string {
  return ms === undefined ? "-" : `${Math.round(ms)} ms`;
}
