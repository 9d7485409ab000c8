import type { ReadStream, WriteStream } from "node:tty";

const enter = "\x1b[?1049h\x1b[?25l\x1b[2J";
const leave = "\x1b[?25h\x1b[?1049l";

/** A whole terminal to draw on, on its other screen: what was there before comes back with `close`. */
export class TerminalScreen {
  readonly #input: ReadStream;
  readonly #output: WriteStream;
  readonly #draw: (size: { columns: number; rows: number }) => readonly string[];
  readonly #onInput: (data: string) => void;
  readonly #restore = () => this.close();
  #lines: readonly string[] = [];
  #pending: ReturnType<typeof setTimeout> | undefined;
  #closed = false;

  constructor(options: {
    readonly input: ReadStream;
    readonly output: WriteStream;
    readonly draw: (size: { columns: number; rows: number }) => readonly string[];
    /** One key press, or several that came at once. */
    readonly onKeys: (keys: string) => void;
  }) {
    this.#input = options.input;
    this.#output = options.output;
    this.#draw = options.draw;
    this.#onInput = options.onKeys;
    this.#output.write(enter);
    this.#input.setRawMode(true);
    this.#input.setEncoding("utf8");
    this.#input.on("data", this.#onInput);
    this.#input.resume();
    this.#output.on("resize", this.#redrawAll);
    // Whatever ends the process, the terminal must come back.
    process.on("exit", this.#restore);
    this.update();
  }

  /** Draws soon: changes that come together are drawn together. */
  update(): void {
    if (this.#closed) return;
    this.#pending ??= setTimeout(() => this.#paint(), 15);
  }

  /** Gives the terminal back. Safe to call twice. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    clearTimeout(this.#pending);
    process.off("exit", this.#restore);
    this.#output.off("resize", this.#redrawAll);
    this.#input.off("data", this.#onInput);
    this.#input.setRawMode(false);
    this.#input.pause();
    this.#output.write(leave);
  }

  readonly #redrawAll = () => {
    this.#lines = [];
    this.#output.write("\x1b[2J");
    this.update();
  };

  #paint(): void {
    this.#pending = undefined;
    const { columns, rows } = this.#output;
    const lines = this.#draw({ columns, rows });
    // Only lines that differ are written, in one piece: nothing flickers.
    let out = "";
    for (let i = 0; i < Math.max(lines.length, this.#lines.length); i++) {
      if (lines[i] !== this.#lines[i]) out += `\x1b[${i + 1};1H${lines[i] ?? ""}\x1b[0m\x1b[K`;
    }
    this.#lines = lines;
    if (out !== "") this.#output.write(out);
  }
}
