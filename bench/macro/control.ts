import { pin, prefer, setRealTime } from "./scheduling.ts";

/** How the parent of the bench talks to its processes: calls by name over the channel that Bun opens between them. */

interface Call {
  readonly id: number;
  readonly name: string;
  readonly args: readonly unknown[];
}

interface Answer {
  readonly id: number;
  readonly result?: unknown;
  readonly error?: string;
}

type Commands = Readonly<Record<string, (...args: never[]) => unknown>>;

/** In a child: answers calls until the parent hangs up, and then ends, so that nobody is left behind. */
export function answerCalls(commands: Commands): void {
  const run = async ({ id, name, args }: Call): Promise<Answer> => {
    try {
      return { id, result: await commands[name]?.(...(args as never[])) };
    } catch (error) {
      return { id, error: error instanceof Error ? error.message : String(error) };
    }
  };
  process.on("message", (call: Call) => void run(call).then((answer) => process.send?.(answer)));
  process.on("disconnect", () => process.exit(0));
}

/** Longest wait for an answer. Connecting everybody and starting take longest. */
const answerMs = 15_000;
const longAnswerMs = 60_000;
const longCalls = ["connect", "start", "stop", "profile", "heapSnapshot"];
/** A child that is told to end and does not is killed after this. */
const endMs = 5_000;

/** A child process of the bench, as its parent sees it. `C` is what it answers. */
export class BenchProcess<C extends Commands> {
  readonly #name: string;
  readonly #child: Bun.Subprocess;
  readonly #exited: Promise<void>;
  readonly #pending = new Map<number, PromiseWithResolvers<unknown>>();
  #calls = 0;
  #ended: string | undefined;

  /**
   * @param script address of a module that calls `answerCalls`.
   * @param turn "first": gets the processor before others where this system lets us say so.
   */
  constructor(script: URL, turn?: "first") {
    this.#name = script.pathname.split("/").at(-1) ?? "";
    this.#child = Bun.spawn([process.execPath, script.pathname], {
      stdio: ["ignore", "inherit", "inherit"],
      ipc: (answer: Answer) => this.#receive(answer),
    });
    if (turn === "first") prefer(this.#child.pid);
    this.#exited = this.#child.exited.then(() => {
      const { signalCode, exitCode } = this.#child;
      this.#onExit(`${this.#name} has ended (${signalCode ?? exitCode})`);
    });
  }

  /** @rejects Error with what went wrong there, or when it does not answer or has ended. */
  async call<Name extends string & keyof C>(
    name: Name,
    ...args: Parameters<C[Name]>
  ): Promise<Awaited<ReturnType<C[Name]>>> {
    if (this.#ended !== undefined) throw new Error(this.#ended);
    const id = this.#calls++;
    const answer = Promise.withResolvers<unknown>();
    this.#pending.set(id, answer);
    const timer = setTimeout(
      () => {
        this.#pending.delete(id);
        answer.reject(new Error(`${this.#name} does not answer ${name}`));
      },
      longCalls.includes(name) ? longAnswerMs : answerMs,
    );
    const call: Call = { id, name, args };
    this.#child.send(call);
    try {
      return (await answer.promise) as Awaited<ReturnType<C[Name]>>;
    } finally {
      clearTimeout(timer);
    }
  }

  /** Keeps it on one core from now on. */
  pin(core: number | "any"): void {
    pin(this.#child.pid, core);
  }

  /** Whether it runs at once when it has something to do, whatever else its core is at. */
  setRealTime(on: boolean): void {
    setRealTime(this.#child.pid, on);
  }

  /** Ends the process, gently at first. Safe to call twice. */
  async close(): Promise<void> {
    if (this.#ended === undefined) this.#child.disconnect();
    const timer = setTimeout(() => this.#child.kill("SIGKILL"), endMs);
    await this.#exited;
    clearTimeout(timer);
  }

  #receive({ id, result, error }: Answer): void {
    const answer = this.#pending.get(id);
    this.#pending.delete(id);
    if (error === undefined) answer?.resolve(result);
    else answer?.reject(new Error(`${this.#name}: ${error}`));
  }

  #onExit(reason: string): void {
    this.#ended = reason;
    for (const answer of this.#pending.values()) answer.reject(new Error(reason));
    this.#pending.clear();
  }
}
