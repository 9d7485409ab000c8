/** Words that a recognition got wrong, and out of how many. */
export interface WordErrors {
  /** Substitutions, deletions and insertions of the best alignment. */
  readonly errors: number;
  /** Words of the reference. */
  readonly words: number;
}

/** Compares two texts word by word, without regard to case and punctuation (Levenshtein distance over words). */
export function wordErrors(reference: string, heard: string): WordErrors {
  const expected = words(reference);
  const actual = words(heard);
  let previous = actual.map((_, i) => i + 1);
  previous.unshift(0);
  for (const [row, word] of expected.entries()) {
    const current = [row + 1];
    for (const [column, other] of actual.entries()) {
      const substituted = (previous[column] ?? 0) + (word === other ? 0 : 1);
      current.push(Math.min(substituted, (previous[column + 1] ?? 0) + 1, (current[column] ?? 0) + 1));
    }
    previous = current;
  }
  return { errors: previous.at(-1) ?? 0, words: expected.length };
}

/** All errors of several comparisons by all their words. */
export function wordErrorRate(all: readonly WordErrors[]): number {
  const sum = (pick: (one: WordErrors) => number) => all.reduce((total, one) => total + pick(one), 0);
  return sum((one) => one.errors) / sum((one) => one.words);
}

function words(text: string): string[] {
  return text.toLowerCase().match(/[a-z0-9']+/g) ?? [];
}
