import { layoutText } from "../src/wire/layouts.ts";
import type { GlassesState } from "./glasses-state.ts";

const widestBox = 56;
const boxLines = 7;

const style = {
  bold: (text: string) => `\x1b[1m${text}\x1b[22m`,
  dim: (text: string) => `\x1b[2m${text}\x1b[22m`,
  green: (text: string) => `\x1b[32m${text}\x1b[39m`,
  yellow: (text: string) => `\x1b[33m${text}\x1b[39m`,
  red: (text: string) => `\x1b[31m${text}\x1b[39m`,
};

const keys = [
  "b press  B hold  u/d look up/down  s say  a app  c codec",
  "x drop the connection  r reconnect  q quit",
];

/**
 * Draws the glasses as lines of a terminal, at most `rows` of them and none wider than `columns`. `prompt` is the line that
 * is being typed, with its question.
 */
export function drawGlasses(
  state: GlassesState,
  prompt: string | undefined,
  size: { readonly columns: number; readonly rows: number },
): string[] {
  const head = [
    ` ${style.bold("Browline glasses")}   ${connection(state)}   ${microphone(state)}   ${style.dim(state.codec)}${
      state.headUp ? style.dim("   head up") : ""
    }`,
    "",
    ...display(state, Math.max(1, Math.min(widestBox, size.columns - 6))),
    "",
    ` ${style.dim("apps")}   ${apps(state)}`,
    ` ${style.dim("voice")}  ${state.saying === undefined ? style.dim("-") : JSON.stringify(state.saying)}`,
    ` ${style.dim("heard")}  ${heard(state)}`,
    "",
  ];
  const foot =
    prompt === undefined
      ? ["", ...keys.map((line) => style.dim(` ${line}`))]
      : ["", ` ${style.bold(prompt)}\u2588`, style.dim(" Enter: send   Esc: leave")];
  const room = Math.max(0, size.rows - head.length - foot.length);
  const shown = Math.min(state.texts.length, Math.ceil(room / 3));
  const lists = [
    ...section("shown", lastOf(state.texts, shown).map(oneLine)),
    ...section(
      "events",
      lastOf(state.events, Math.max(0, room - shown)).map(
        ({ at, line }) => `${style.dim(at.toTimeString().slice(0, 8))} ${oneLine(line)}`,
      ),
    ),
  ];
  const padding = Array.from({ length: Math.max(0, room - lists.length) }, () => "");
  return [...head, ...lists, ...padding, ...foot]
    .slice(0, size.rows)
    .map((line) => Bun.sliceAnsi(line, 0, size.columns, "…"));
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

function heard({ heard }: GlassesState): string {
  if (heard === undefined) return style.dim("-");
  const text = oneLine(heard.text);
  return heard.isFinal ? style.bold(text) : style.dim(`${text} …`);
}

function display(state: GlassesState, boxWidth: number): string[] {
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
