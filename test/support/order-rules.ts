import type { View } from "../../src/wire/layouts.ts";
import type { FakeGlasses, FakeWorld } from "./fake-world.ts";
import { type Step, shortened } from "./life-script.ts";
import { type AppSocketLog, forcedMark, must, type UserLife } from "./random-life.ts";
import { RandomWorld } from "./random-world.ts";

/** May forge what the glasses of a user were sent in a step, to show that a broken rule is found. */
export type Meddle = (glasses: FakeGlasses, step: Step) => void;

/**
 * Runs a script of random lives on the fake clock and checks every rule after every event of it.
 * @throws Error that names the rule and the step.
 */
export async function runScript(users: number, steps: readonly Step[], meddle?: Meddle): Promise<void> {
  const world = new RandomWorld(users);
  const { lives } = world;
  const rules = lives.map((life) => new LifeRules(life));
  const lanes = new LaneRule(world);
  const checkAll = () => {
    if (world.broken !== undefined) throw world.broken;
    checkPhotos(world);
    lanes.check();
    for (const each of rules) each.check();
  };
  for (const [i, step] of steps.entries()) {
    const life = lives[step.user];
    if (life === undefined) continue;
    try {
      await life.perform(step);
      if (life.glasses !== undefined) meddle?.(life.glasses, step);
      checkPhotos(world);
      lanes.check();
      rules[step.user]?.check();
      // In small pieces: a rule that is broken for a moment is broken.
      for (let left = step.waitMs; left > 0; left -= 100) {
        await world.clock.advanceAsync(Math.min(left, 100));
        checkAll();
      }
    } catch (error) {
      const problem = error instanceof Error ? error.message : error;
      throw new Error(`step ${i} ${JSON.stringify(step)}: ${problem}`, { cause: error });
    }
  }
  for (const life of lives) await world.storage.getSession(life.email)?.end();
  await world.clock.advanceAsync(world.limits.sessionGraceMs + world.limits.webhookMs + 10_000);
  checkAll();
  must(world.storage.size === 0, "every session is gone in the end");
  must(world.clock.pending === 0, `no timer is left in the end, but ${world.clock.pending} are`);
}

/**
 * Runs a script and, if it breaks a rule, cuts it down first.
 * @param shortenMs how long that may take.
 * @throws Error with the rule and the shortest script found, as JSON, which `runScript` takes.
 */
export async function holdRules(
  users: number,
  script: readonly Step[],
  shortenMs: number,
  meddle?: Meddle,
): Promise<void> {
  const outcome = await outcomeOf(users, script, meddle);
  if (outcome === undefined) return;
  const { rule } = outcome;
  const breaksIt = async (steps: readonly Step[]) => (await outcomeOf(users, steps, meddle))?.rule === rule;
  const short = await shortened(script.slice(0, outcome.step + 1), breaksIt, shortenMs);
  throw new Error(`${rule}; shortest script, of ${short.length} steps: ${JSON.stringify(short)}`);
}

interface Broken {
  /** Without what differs from run to run. */
  readonly rule: string;
  readonly step: number;
}

async function outcomeOf(
  users: number,
  script: readonly Step[],
  meddle: Meddle | undefined,
): Promise<Broken | undefined> {
  try {
    await runScript(users, script, meddle);
    return undefined;
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    const step = /^step (\d+)/.exec(message)?.[1];
    const rule = message.replace(/^step .*?}: /, "").replace(/\d+/g, "N");
    return { rule, step: step === undefined ? script.length : Number(step) };
  }
}

/** How long a view may differ from what belongs on it while that does not change: forced displays of the other go first. */
const convergedMs = 1_200;

class LifeRules {
  readonly #life: UserLife;
  readonly #displaysChecked = new Map<FakeGlasses, number>();
  readonly #newestText = new Map<string, number>();
  readonly #wanted = new Map<View, { readonly key: string; readonly sinceMs: number }>();
  readonly #sentAtMs = new Map<View, number>();
  /** Sounds and questions for the place that have been answered, with the number of the answer. */
  readonly #answered = new Map<string, number>();
  #shownAtMs = Number.NEGATIVE_INFINITY;
  /** Since when somebody, or nobody, has wanted the microphone. */
  #wantedSinceMs: number | undefined;
  #unwantedSinceMs: number | undefined = 0;

  constructor(life: UserLife) {
    this.#life = life;
  }

  check(): void {
    for (const log of this.#life.sockets) this.#checkAppSocket(log);
    this.#life.sockets = this.#life.sockets.filter(({ app }) => app.closed === undefined);
    this.#checkForeground();
    this.#checkDisplay();
    this.#checkConvergence();
    this.#checkMicrophone();
  }

  /** However apps start, come late, hand over and return: one standard app at a time. */
  #checkForeground(): void {
    const { session, world } = this.#life;
    if (session === undefined || session.disposed) return;
    const awaited = session.apps.inState("CONNECTING", "RUNNING", "GRACE_PERIOD", "RESURRECTING");
    const standard = awaited.filter((name) => world.records.get(name)?.type === "standard");
    must(standard.length <= 1, "one standard app at a time");
  }

  /** What an app socket was sent: the acknowledgement first, nothing after `app_stopped`, events in order, its user's own. */
  #checkAppSocket(log: AppSocketLog): void {
    const { sent, numbers, closed } = log.app;
    for (; log.checked < sent.length; log.checked++) {
      const message = sent[log.checked];
      const seq = numbers[log.checked];
      if (message === undefined || seq === undefined) return;
      if (log.checked === 0)
        must(message.type === "tpa_connection_ack", "an app is acknowledged before all else");
      must(!log.stopped, "nothing follows app_stopped");
      if (message.type === "app_stopped") log.stopped = true;
      if (message.type === "audio_play_response") this.#checkAnswer(`sound ${message.requestId}`, seq);
      if (message.type !== "data_stream") continue;
      const data = message.data as {
        buttonId?: string;
        text?: string;
        isFinal?: boolean;
        utteranceId?: string;
        correlationId?: string;
      };
      if (data.correlationId !== undefined) this.#checkAnswer(`place ${data.correlationId}`, seq);
      const { permissions = [] } = this.#life.world.records.get(log.packageName) ?? {};
      must(data.text === undefined || permissions.length > 0, "nobody hears what he may not");
      const content = data.buttonId ?? data.text;
      if (content !== undefined) this.#checkOwn(content);
      if (data.buttonId !== undefined) {
        const number = Number.parseInt(data.buttonId, 10);
        must(number > log.button, `button ${number} does not come after ${log.button}`);
        log.button = number;
      }
      if (data.utteranceId !== undefined) this.#checkUtterance(log, data.utteranceId, data.isFinal === true);
    }
    // 1008 is for the loser of two sockets; the others tell of an end that this life has asked for.
    if (closed !== undefined)
      must([1008, 4000, 4001].includes(closed.code), `no app socket is closed with ${closed.code}`);
  }

  /** What was not confirmed comes once more over the next socket, under the same number. */
  #checkAnswer(request: string, seq: number): void {
    must((this.#answered.get(request) ?? seq) === seq, "a request has one answer");
    this.#answered.set(request, seq);
    this.#checkOwn(request);
  }

  #checkUtterance(log: AppSocketLog, utteranceId: string, isFinal: boolean): void {
    const number = Number(utteranceId.slice(1));
    must(number >= log.utterance, `utterance ${number} does not come after ${log.utterance}`);
    must(isFinal || number > log.final, "no interim follows its final");
    if (isFinal) {
      must(number > log.final, "an utterance has one final");
      log.final = number;
    }
    log.utterance = number;
  }

  #checkOwn(content: string): void {
    const of = /\bof (\d+)/.exec(content)?.[1];
    must(Number(of) === this.#life.index, "nothing of one user reaches another");
  }

  /** The pace, the order of each app's texts, and that nothing of a stopped app is shown. */
  #checkDisplay(): void {
    const { everyGlasses, stoppedAt } = this.#life;
    for (const glasses of everyGlasses.slice(-2)) {
      const from = this.#displaysChecked.get(glasses) ?? 0;
      if (from === glasses.sent.length) continue;
      this.#displaysChecked.set(glasses, glasses.sent.length);
      for (const { message, atMs } of glasses.sent.slice(from)) {
        if (message.type === "photo_request") {
          const end = stoppedAt.get(message.appId);
          must(end === undefined || atMs <= end, `${message.appId} takes no photo after it was stopped`);
          this.#checkOwn(message.requestId);
        }
        if (message.type !== "display_event") continue;
        const { packageName, layout, view } = message;
        const end = stoppedAt.get(packageName);
        must(end === undefined || atMs <= end, `${packageName} is not shown after it was stopped`);
        const text = layout.layoutType === "text_wall" ? layout.text : "";
        const jumps = layout.layoutType === "reference_card" || text.endsWith(forcedMark);
        const leastMs = jumps ? 200 : 250;
        must(atMs - this.#shownAtMs >= leastMs, `two displays are at least ${leastMs} ms apart`);
        this.#shownAtMs = atMs;
        this.#sentAtMs.set(view, atMs);
        if (text === "") continue;
        this.#checkOwn(text);
        const number = Number(text.split(" ")[1]);
        const slot = `${view} ${packageName}`;
        const newest = this.#newestText.get(slot) ?? 0;
        must(number >= newest, `${packageName} shows an older text after a newer one`);
        this.#newestText.set(slot, number);
      }
    }
  }

  /** When all is quiet, the glasses show what belongs there. */
  #checkConvergence(): void {
    const { session, glasses, world } = this.#life;
    const now = world.clock.now();
    for (const view of ["main", "dashboard"] as const) {
      if (session === undefined || session.disposed || glasses === undefined) {
        this.#wanted.delete(view);
        continue;
      }
      const { wanted, shown } = session.display.inspect(view);
      const key = `${this.#life.everyGlasses.length} ${JSON.stringify(wanted)}`;
      const known = this.#wanted.get(view);
      if (known?.key !== key) {
        this.#wanted.set(view, { key, sinceMs: now });
        continue;
      }
      // What was wanted in between may have been sent, and is still to be taken back.
      if (now - Math.max(known.sinceMs, this.#sentAtMs.get(view) ?? 0) < convergedMs) continue;
      must(Bun.deepEquals(shown, wanted), `in the end the ${view} view shows what belongs there`);
      const last = glasses.of("display_event").findLast((message) => message.view === view)?.layout;
      const empty = last === undefined || last.layoutType === "clear_view";
      must(
        wanted === undefined ? empty : Bun.deepEquals(last, wanted),
        `in the end the glasses have been sent what belongs in the ${view} view`,
      );
      // Once is enough while nothing changes.
      this.#wanted.set(view, { key, sinceMs: Number.POSITIVE_INFINITY });
    }
  }

  /** On soon after it is wanted, off soon after it is not: no deaf session, no ghost microphone. */
  #checkMicrophone(): void {
    const { world, session, glasses } = this.#life;
    if (session === undefined || session.disposed || glasses === undefined || glasses.closed !== undefined) {
      this.#wantedSinceMs = undefined;
      this.#unwantedSinceMs = undefined;
      return;
    }
    const now = world.clock.now();
    const demand = session.apps.subscriptions.mediaDemand();
    if (session.device.facts.connected && (demand.pcm || demand.languages.length > 0)) {
      this.#wantedSinceMs ??= now;
      this.#unwantedSinceMs = undefined;
    } else {
      this.#unwantedSinceMs ??= now;
      this.#wantedSinceMs = undefined;
    }
    const { microphoneBatchMs, microphoneDebounceMs, microphoneHoldMs } = world.limits;
    const soonMs = microphoneBatchMs + microphoneDebounceMs;
    if (this.#wantedSinceMs !== undefined && now - this.#wantedSinceMs > soonMs) {
      must(glasses.microphone === true, "the microphone is on while an app wants it");
    }
    if (this.#unwantedSinceMs !== undefined && now - this.#unwantedSinceMs > soonMs + microphoneHoldMs) {
      must(glasses.microphone === false, "the microphone is off when no app wants it");
    }
  }
}

/** Every frame and every mark of voice of a user reaches the lane once, and in the order in which they came. */
class LaneRule {
  readonly #world: RandomWorld;
  readonly #known = new Map<FakeWorld["lanes"]["opened"][number], LaneProgress>();

  constructor(world: RandomWorld) {
    this.#world = world;
  }

  check(): void {
    for (const lane of this.#world.lanes.opened) {
      const known = this.#known.get(lane);
      if (known === undefined) {
        const [first] = lane.frames;
        const life = first === undefined ? undefined : this.#world.lives[first[0] ?? -1];
        if (first === undefined || life === undefined) continue;
        const marks = lane.order.findIndex((entry) => entry.startsWith("frame"));
        const from = life.audio.indexOf(numberOf(first)) - marks;
        this.#known.set(lane, { life, from, entries: 0, frames: 0 });
        this.check();
        return;
      }
      for (; known.entries < lane.order.length; known.entries++) {
        const entry = lane.order[known.entries];
        const frame = entry?.startsWith("frame") ? lane.frames[known.frames++] : undefined;
        const came = frame === undefined ? entry === "voice true" : numberOf(frame);
        must(
          frame?.[0] === undefined || frame[0] === known.life.index,
          "no audio of one user reaches another",
        );
        must(
          known.life.audio[known.from + known.entries] === came,
          "a mark of voice stays between the frames it came between",
        );
      }
    }
  }
}

interface LaneProgress {
  readonly life: UserLife;
  /** Where in all that the phone has sent the lane begins. */
  readonly from: number;
  entries: number;
  frames: number;
}

function numberOf(frame: Uint8Array): number {
  const [, high = 0, middle = 0, low = 0] = frame;
  return (high << 16) | (middle << 8) | low;
}

/** Every request for a picture has one outcome, in its time, unless whoever asked has gone. */
function checkPhotos(world: RandomWorld): void {
  const { photos, photoOf, clock, limits } = world;
  for (const { requestId } of [...photos.delivered.splice(0), ...photos.failures.splice(0)]) {
    const photo = photoOf.get(requestId);
    must(photo !== undefined, "no word of a photo that nobody asked for");
    photo.outcomes++;
    must(photo.outcomes === 1, "a photo has one outcome");
  }
  for (const life of world.lives) {
    for (const [requestId, photo] of life.photos) {
      const { session, app, process, askedAtMs } = photo;
      const isHere =
        !session.disposed && session.apps.app(app.packageName) === app && app.process === process;
      if (!isHere) photo.settled = true;
      const overdue = clock.now() > askedAtMs + limits.photoMs;
      must(!overdue || photo.settled || photo.outcomes === 1, "a photo has an outcome within its time");
      // Whatever glasses say of it later is still counted, by `photoOf`.
      if (clock.now() > askedAtMs + 2 * limits.photoMs) life.photos.delete(requestId);
    }
  }
}
