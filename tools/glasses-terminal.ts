import { formatNamed } from "./glasses-arguments.ts";
import { type GlassesSession, type Speech, say } from "./glasses-session.ts";
import { drawGlasses } from "./glasses-view.ts";
import { TerminalScreen } from "./terminal-screen.ts";

/** A phone's own pause between two dials is longer; at a desk one does not want to wait for it. */
const redialMs = 2_000;

const codecs = ["pcm", "opus", "lc3"];

interface Prompt {
  readonly question: string;
  readonly send: (text: string) => void;
  text: string;
}

/** Simulated glasses live in the terminal. Resolves when the user has quit. */
export async function showGlasses(session: GlassesSession): Promise<void> {
  const terminal = new GlassesTerminal(session);
  try {
    await terminal.finished;
  } finally {
    terminal.close();
  }
}

class GlassesTerminal {
  readonly #session: GlassesSession;
  readonly #screen: TerminalScreen;
  readonly #finished = Promise.withResolvers<void>();
  readonly #redial: ReturnType<typeof setInterval>;
  #prompt: Prompt | undefined;
  #app: string | undefined;
  /** The user has cut the connection: it stays cut until the user wants it back. */
  #cut = false;
  #dialling = false;

  constructor(session: GlassesSession) {
    this.#session = session;
    this.#app = session.app;
    this.#screen = new TerminalScreen({
      input: process.stdin,
      output: process.stdout,
      draw: (size) => {
        const prompt = this.#prompt && `${this.#prompt.question} ${this.#prompt.text}`;
        return drawGlasses(session.state, prompt, size);
      },
      onKeys: (keys) => this.#onKeys(keys),
    });
    session.state.onChange = () => this.#screen.update();
    this.#redial = setInterval(() => this.#keepConnected(), redialMs);
    process.once("SIGTERM", () => this.#finished.resolve());
    if (session.app !== undefined) session.glasses.startApp(session.app);
    for (const speech of session.speech) this.#say(speech);
  }

  get finished(): Promise<void> {
    return this.#finished.promise;
  }

  close(): void {
    clearInterval(this.#redial);
    this.#session.state.onChange = () => {};
    this.#screen.close();
  }

  #onKeys(keys: string): void {
    // An arrow or function key comes as one sequence; it means nothing here, and least of all Escape.
    if (keys.length > 1 && keys.startsWith("\x1b")) return;
    for (const key of keys) {
      if (key === "\x03") this.#finished.resolve();
      else if (this.#prompt) this.#type(this.#prompt, key);
      else this.#command(key);
    }
    this.#screen.update();
  }

  #type(prompt: Prompt, key: string): void {
    switch (key) {
      case "\r":
      case "\n":
        this.#prompt = undefined;
        if (prompt.text.trim() !== "") prompt.send(prompt.text.trim());
        break;
      case "\x1b":
        this.#prompt = undefined;
        break;
      case "\x7f":
      case "\b":
        prompt.text = prompt.text.slice(0, -1);
        break;
      default:
        if (key >= " ") prompt.text += key;
    }
  }

  #command(key: string): void {
    const { glasses, state } = this.#session;
    switch (key) {
      case "b":
      case "B":
        glasses.pressButton(key === "b" ? "short" : "long");
        state.note(`button ${key === "b" ? "pressed" : "held"}`);
        break;
      case "u":
      case "d":
        state.headUp = key === "u";
        glasses.moveHead(state.headUp ? "up" : "down");
        state.note(`head ${state.headUp ? "up" : "down"}`);
        break;
      case "s":
        this.#prompt = { question: "Say:", text: "", send: (text) => void this.#sayText(text) };
        break;
      case "a":
        this.#toggleApp();
        break;
      case "c":
        void this.#nextCodec();
        break;
      case "x":
        this.#cut = true;
        glasses.drop();
        break;
      case "r":
        this.#cut = false;
        void this.#dial();
        break;
      case "q":
        this.#finished.resolve();
        break;
    }
  }

  #toggleApp(): void {
    const { glasses, state } = this.#session;
    const app = this.#app ?? state.runningApps[0];
    if (app === undefined) {
      this.#prompt = {
        question: "Package name of the app:",
        text: "",
        send: (text) => {
          this.#app = text;
          this.#toggleApp();
        },
      };
      return;
    }
    const running = state.runningApps.includes(app);
    state.note(`${running ? "stop" : "start"} ${app}`);
    if (running) glasses.stopApp(app);
    else glasses.startApp(app);
  }

  async #nextCodec(): Promise<void> {
    const { glasses, state } = this.#session;
    const next = codecs[(codecs.indexOf(state.codec) + 1) % codecs.length] ?? "pcm";
    const format = formatNamed(next);
    if (format === undefined) return;
    try {
      await glasses.configureAudio(format);
      state.codec = next;
      state.note(`sound is sent as ${next}`);
    } catch (error) {
      state.note(messageOf(error));
    }
  }

  async #sayText(text: string): Promise<void> {
    try {
      const samples = await this.#session.synthesiser.synthesise(text);
      this.#say({ label: text, samples });
    } catch (error) {
      this.#session.state.note(messageOf(error));
    }
  }

  #say(speech: Speech): void {
    say(this.#session, speech).catch((error) => this.#session.state.note(messageOf(error)));
  }

  #keepConnected(): void {
    if (!this.#cut && this.#session.state.connection === "lost") void this.#dial();
  }

  async #dial(): Promise<void> {
    const { glasses, state } = this.#session;
    if (this.#dialling) return;
    this.#dialling = true;
    try {
      await glasses.connect();
      // The server may be another one than before, which has never heard of the codec.
      const format = formatNamed(state.codec);
      if (format !== undefined) await glasses.configureAudio(format);
    } catch (error) {
      state.connection = "lost";
      // One line for a server that stays away, not one for every dial.
      const problem = messageOf(error);
      if (state.events.at(-1)?.line !== problem) state.note(problem);
    } finally {
      this.#dialling = false;
    }
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
