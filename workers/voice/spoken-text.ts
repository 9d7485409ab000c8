/** Letters of a piece, where its words still allow it to end: the voice takes a sentence in one breath and in one go. */
const pieceWeight = 240;
/** A longer word, such as a number of hundred digits, is cut. */
const wordPart = /.{1,40}/g;

/**
 * A text as the voice can take it: in pieces that end with sentences where possible. The time and the memory that a piece
 * takes grow with its length, and digits and signs are spoken as whole words.
 */
export function spokenPieces(text: string): string[] {
  const pieces: string[] = [];
  let piece: string[] = [];
  let weight = 0;
  const end = () => {
    if (piece.length > 0) pieces.push(piece.join(" "));
    piece = [];
    weight = 0;
  };
  for (const word of words(text)) {
    const more = weightOf(word);
    if (weight + more > pieceWeight) end();
    piece.push(word);
    weight += more;
    if (weight > pieceWeight / 2 && /[.!?;:]$/.test(word)) end();
  }
  end();
  return pieces;
}

/** The voice knows plain ASCII only: accents go, and typographers' signs become those of a typewriter. */
function words(text: string): string[] {
  return text
    .replaceAll(/[\u2018\u2019]/g, "'")
    .replaceAll(/[\u201c\u201d]/g, '"')
    .replaceAll(/[\u2013\u2014]/g, ", ")
    .normalize("NFKD")
    .replaceAll(/[^\x20-\x7e\s]/g, "")
    .split(/\s+/)
    .flatMap((word) => word.match(wordPart) ?? []);
}

function weightOf(word: string): number {
  const letters = word.replaceAll(/[^a-z]/gi, "").length;
  return letters + 8 * (word.length - letters);
}
