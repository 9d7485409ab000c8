import type { GlassesEvents } from "../src/simulator/simulated-glasses.ts";
import { type Layout, layoutText, type View } from "../src/wire/layouts.ts";

const eventsKept = 100;
const textsKept = 100;

interface GlassesEvent {
  readonly at: Date;
  readonly line: string;
}

/** What there is to see of simulated glasses, as their events make it. */
export class GlassesState {
  connection: "connecting" | "connected" | "lost" = "connecting";
  microphoneOn = false;
  headUp = false;
  codec = "pcm";
  /** What is being said, or undefined. */
  saying: string | undefined;
  /** The words that an app hears; undefined before the first. */
  heard: { readonly text: string; readonly isFinal: boolean } | undefined;
  /** What the server has last said against starting an app. */
  problem: string | undefined;
  runningApps: readonly string[] = [];
  loadingApps: readonly string[] = [];
  /** The texts that the main view has shown, newest last; a caption that grows is one text. */
  readonly texts: string[] = [];
  /** What happened, a line each, newest last. */
  readonly events: GlassesEvent[] = [];
  /** Called after each change. */
  onChange: () => void = () => {};
  readonly #views = new Map<View, Layout>();
  #total = 0;

  /** The callbacks that keep this state; the glasses are to be made with them. */
  readonly callbacks: GlassesEvents = {
    onAck: ({ sessionId, userSession }) => {
      this.connection = "connected";
      this.runningApps = userSession.activeAppSessions;
      this.loadingApps = userSession.loadingApps;
      this.note(`connected as ${sessionId}`);
    },
    onDisplay: ({ view, layout, packageName }) => {
      this.#views.set(view, layout);
      if (view === "main") this.#remember(layoutText(layout));
      this.note(`${packageName} shows ${summary(layout)}${view === "main" ? "" : ` on the ${view}`}`);
    },
    onMicrophone: (on) => {
      // The order is repeated every few seconds while it stands.
      if (on === this.microphoneOn) return;
      this.microphoneOn = on;
      this.note(`microphone ${on ? "on" : "off"}`);
    },
    onAppState: ({ userSession: { activeAppSessions, loadingApps }, error }) => {
      const [before, now] = [this.runningApps, activeAppSessions];
      this.runningApps = now;
      this.loadingApps = loadingApps;
      for (const app of now) if (!before.includes(app)) this.note(`${app} runs`);
      for (const app of before) if (!now.includes(app)) this.note(`${app} has stopped`);
      if (error === undefined) return;
      this.problem = error;
      this.note(`the server says: ${error}`);
    },
    onTranscript: ({ text, isFinal }) => {
      this.heard = { text, isFinal };
      if (isFinal) this.note(`the app hears ${JSON.stringify(text)}`);
      else this.onChange();
    },
    onClose: (code, reason) => {
      this.connection = "lost";
      this.microphoneOn = false;
      this.note(`connection lost (${code}${reason ? ` ${reason}` : ""})`);
    },
  };

  /** What the wearer sees: the dashboard with the head up, if there is one. */
  get visible(): Layout | undefined {
    return (this.headUp ? this.#views.get("dashboard") : undefined) ?? this.#views.get("main");
  }

  /** How many events there have been in all. */
  get total(): number {
    return this.#total;
  }

  /** An event by its number since the beginning, or undefined when it is no longer kept. */
  eventNumber(number: number): GlassesEvent | undefined {
    return this.events[number - this.#total + this.events.length];
  }

  /** Adds a line to what happened. */
  note(line: string): void {
    this.events.push({ at: new Date(), line });
    this.#total++;
    if (this.events.length > eventsKept) this.events.shift();
    this.onChange();
  }

  /** To be called after a field was set. */
  changed(): void {
    this.onChange();
  }

  #remember(text: string): void {
    const shown = text.trim();
    if (shown === "") return;
    const last = this.texts.at(-1);
    if (last !== undefined && sharesBeginning(last, shown)) this.texts.pop();
    this.texts.push(shown);
    if (this.texts.length > textsKept) this.texts.shift();
  }
}

/** Whether one text is the other with more, or fewer, or corrected last words. */
function sharesBeginning(before: string, after: string): boolean {
  const [a, b] = [before.split(/\s+/), after.split(/\s+/)];
  return a[0] !== undefined && a[0] === b[0];
}

function summary(layout: Layout): string {
  if (layout.layoutType === "clear_view") return "nothing";
  // Of a layout with two sides, or of many lines, some may be empty.
  const lines = layoutText(layout)
    .split("\n")
    .filter((line) => line.trim() !== "");
  return lines.length === 0 ? layout.layoutType : JSON.stringify(lines.join(" / "));
}
