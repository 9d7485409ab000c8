import type { GlassesEvents } from "../src/simulator/simulated-glasses.ts";
import { type Layout, layoutText, type View } from "../src/wire/layouts.ts";

const eventsKept = 100;
const transcriptsKept = 100;

interface GlassesEvent {
  readonly at: Date;
  readonly line: string;
  /** What an app has drawn, where the event is that. */
  readonly drawn?: { readonly packageName: string; readonly view: View; readonly text: string };
}

/** What there is to see of simulated glasses, as their events make it. */
export class GlassesState {
  connection: "connecting" | "connected" | "lost" = "connecting";
  microphoneOn = false;
  headUp = false;
  codec = "pcm";
  /** What is being said, or undefined. */
  saying: string | undefined;
  /** The words that an app hears, as far as they are final; newest last. */
  readonly transcripts: string[] = [];
  /** What an app has heard of a sentence that is not over, or undefined. */
  interim: string | undefined;
  /** What the server has last said against starting an app. */
  problem: string | undefined;
  runningApps: readonly string[] = [];
  loadingApps: readonly string[] = [];
  /** Called after each change. */
  onChange: () => void = () => {};
  readonly #events: GlassesEvent[] = [];
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
      this.#add({
        at: new Date(),
        line: `${packageName} shows ${summary(layout)}${view === "main" ? "" : ` on the ${view}`}`,
        drawn: { packageName, view, text: layoutText(layout) },
      });
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
      this.interim = isFinal ? undefined : text;
      if (!isFinal) {
        this.onChange();
        return;
      }
      this.transcripts.push(text);
      if (this.transcripts.length > transcriptsKept) this.transcripts.shift();
      this.note(`the app hears ${JSON.stringify(text)}`);
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
    return this.#events[number - this.#total + this.#events.length];
  }

  /** The events without those captions that the next one only makes longer. */
  get events(): readonly GlassesEvent[] {
    return this.#events.filter((event, i) => !isGrownBy(event, this.#events[i + 1]));
  }

  /** Adds a line to what happened. */
  note(line: string): void {
    this.#add({ at: new Date(), line });
  }

  /** To be called after a field was set. */
  changed(): void {
    this.onChange();
  }

  #add(event: GlassesEvent): void {
    this.#events.push(event);
    this.#total++;
    if (this.#events.length > eventsKept) this.#events.shift();
    this.onChange();
  }
}

function isGrownBy({ drawn }: GlassesEvent, next: GlassesEvent | undefined): boolean {
  const after = next?.drawn;
  return (
    drawn !== undefined &&
    after !== undefined &&
    drawn.packageName === after.packageName &&
    drawn.view === after.view &&
    sharesBeginning(drawn.text.trim(), after.text.trim())
  );
}

/** Whether one text is the other with more, or fewer, or corrected last words. */
function sharesBeginning(before: string, after: string): boolean {
  if (before === "" || after === "") return false;
  return after.startsWith(before) || before.split(/\s+/)[0] === after.split(/\s+/)[0];
}

function summary(layout: Layout): string {
  if (layout.layoutType === "clear_view") return "nothing";
  // Of a layout with two sides, or of many lines, some may be empty.
  const lines = layoutText(layout)
    .split("\n")
    .filter((line) => line.trim() !== "");
  return lines.length === 0 ? layout.layoutType : JSON.stringify(lines.join(" / "));
}
