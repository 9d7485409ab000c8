import { layoutText } from "../src/wire/layouts.ts";
import type { GlassesState } from "./glasses-state.ts";

const widestBox = 56;
const mostDisplayLines = 7;
const fewestEvents = 2;

const style = {
  bold: (text: string) => `\x1b[1m${text}\x1b[22m`,
  dim: (text: string) => `\x1b[2m${text}\x1b[22m`,
  green: (text: string) => `\x1b[32m${text}\x1b[39m`,
  yellow: (text: string) => `\x1b[33m${text}\x1b[39m`,
  red: (text: string) => `\x1b[31m${text}\x1b[39m`,
};

const keys = [
  "b press",
  "B hold",
  "u/d look up/down",
  "s say",
  "a start/stop app",
  "c codec",
  "x drop connection",
  "r reconnect",
  "q quit",
];

/**
 * Draws the glasses as lines of a terminal, `rows` of them and none wider than `columns`. Where there is little room the
 * keys stay, and the display gets fewer lines. `prompt` is the line that is being typed, with its question.
 */
export function drawGlasses(
  state: GlassesState,
  prompt: string | undefined,
  { columns, rows }: { readonly columns: number; readonly rows: number },
): string[] {
  const head = ` ${style.bold("Browline glasses")}   ${connection(state)}   ${microphone(state)}   ${style.dim(
    state.codec,
  )}${state.headUp ? style.dim("   head up") : ""}`;
  const facts = [
    ...section("apps", [apps(state)]),
    ...section("voice", [state.saying === undefined ? style.dim("-") : JSON.stringify(state.saying)]),
  ];
  const foot =
    prompt === undefined
      ? keyLines(columns)
      : [` ${style.bold(prompt)}\u2588`, style.dim(" Enter: send   Esc: leave")];
  // Beside the display: its two borders, one line of what is heard, and an empty line above and below each part.
  const fixed = 1 + 2 + facts.length + 1 + foot.length;
  const gap = rows >= fixed + 4 + 2 * fewestEvents ? [""] : [];
  const displayLines = Math.max(1, Math.min(mostDisplayLines, rows - fixed - 4 * gap.length - fewestEvents));
  const room = Math.max(1, rows - fixed + 1 - displayLines - 4 * gap.length);
  const heard = lastOf(heardLines(state), Math.ceil(room / 3));
  const events = lastOf(state.events, room - heard.length).map(
    ({ at, line }) => `${style.dim(at.toTimeString().slice(0, 8))} ${oneLine(line)}`,
  );
  const body = [
    head,
    ...gap,
    ...display(state, Math.max(1, Math.min(widestBox, columns - 6)), displayLines),
    ...gap,
    ...facts,
    ...section("heard", heard),
    ...gap,
    ...section("events", events),
  ];
  const bodyRows = Math.max(0, rows - foot.length);
  const padding = Array.from({ length: Math.max(0, bodyRows - body.length) }, () => "");
  return [...body.slice(0, bodyRows), ...padding, ...foot]
    .slice(0, rows)
    .map((line) => Bun.sliceAnsi(line, 0, columns, "…"));
}

/** The keys in as few lines as they fit into, none of them cut in two. */
function keyLines(columns: number): string[] {
  const lines: string[] = [];
  for (const key of keys) {
    const longer = `${lines.at(-1)}  ${key}`;
    if (lines.length > 0 && longer.length < columns) lines[lines.length - 1] = longer;
    else lines.push(` ${key}`);
  }
  return lines.map(style.dim);
}

function connection(state: GlassesState): string {
  switch (state.connection) {
    case "connected":
      return style.green("● connected");
    case "connecting":
      return style.yellow("○ connecting");
    case "lost":
      return style.red("○ not connected");
  }
}

function microphone(state: GlassesState): string {
  return state.microphoneOn ? style.green("● microphone on") : style.dim("○ microphone off");
}

function apps(state: GlassesState): string {
  const starting = state.loadingApps.map((app) => style.yellow(`${app} (starting)`));
  return [...state.runningApps, ...starting].join("  ") || style.dim("none");
}

function heardLines({ transcripts, interim }: GlassesState): string[] {
  const lines = transcripts.map(oneLine);
  if (interim !== undefined) lines.push(style.dim(`${oneLine(interim)} …`));
  return lines.length > 0 ? lines : [style.dim("-")];
}

function display(state: GlassesState, boxWidth: number, boxLines: number): string[] {
  const layout = state.visible;
  const text = layout === undefined ? "" : layoutText(layout);
  const picture = text === "" && layout !== undefined && layout.layoutType.startsWith("bitmap");
  const lines = picture
    ? [`[${layout.layoutType}]`]
    : Bun.wrapAnsi(printable(text), boxWidth, { hard: true, trim: true }).split("\n");
  // Like the real ones: what does not fit is lost at the top, since captions end at the bottom.
  const visible = lastOf(lines, boxLines);
  const inside = Array.from({ length: boxLines }, (_, i) => visible[i] ?? "");
  return [
    ` ╭${"─".repeat(boxWidth + 2)}╮`,
    ...inside.map((line) => ` │ ${style.green(line)}${" ".repeat(boxWidth - width(line))} │`),
    ` ╰${"─".repeat(boxWidth + 2)}╯`,
  ];
}

function section(title: string, lines: readonly string[]): string[] {
  return lines.map((line, i) => ` ${style.dim((i === 0 ? title : "").padEnd(6))} ${line}`);
}

function lastOf<Item>(items: readonly Item[], count: number): readonly Item[] {
  return items.slice(Math.max(0, items.length - count));
}

/** An app's text must not move the cursor. */
function printable(text: string): string {
  return Bun.stripANSI(text).replace(/[^\P{Cc}\n]/gu, " ");
}

function oneLine(text: string): string {
  return printable(text).replaceAll("\n", " / ");
}

function width(text: string): number {
  return Bun.stringWidth(text);
}
