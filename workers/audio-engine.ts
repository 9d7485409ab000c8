import { fullGC } from "bun:jsc";
import { Arena } from "../src/audio/arena.ts";
import type {
  AudioCodecs,
  AudioWorkerCommand,
  AudioWorkerReport,
  AudioWorkerStart,
  Fault,
  LaneReport,
  SpeechSetup,
} from "../src/audio/commands.ts";
import { stampOf } from "../src/audio/stamp.ts";
import { SystemClock } from "../src/kernel/clock.ts";
import { StageTimes } from "../src/kernel/stage-times.ts";
import { CodecShelf } from "./codecs/codec-shelf.ts";
import { DrainLoop } from "./drain-loop.ts";
import { type CloudSeat, Supervisor } from "./stt/cloud/supervisor.ts";
import { PocketsphinxProvider } from "./stt/pocketsphinx-provider.ts";
import type { SpeechProvider } from "./stt/provider.ts";
import { VoiceDetectors } from "./voice-detector.ts";
import { type LaneContext, WorkerLane } from "./worker-lane.ts";

/** Well under the 250 ms within which a sign of life is expected. */
const beatMs = 100;
/**
 * The collector takes the recent audio of all sessions, which is shared memory, for a part of this thread's heap, and so
 * lets hundreds of megabytes of garbage pile up before it does something. What it has to look at is small: it takes about
 * 20 ms, for most of which it waits. `Bun.gc(false)`, which takes none, frees next to nothing here.
 */
const beatsPerCollection = 100;
/** Least time between two messages about lanes. */
const reportMs = 2;
/** How often it is said how speech fares. */
const speechReportMs = 1_000;
/** How long a lane waits for pending words when it lets go of its recent audio. */
const releaseDrainMs = 2_000;

export type PostReport = (report: AudioWorkerReport) => void;

/**
 * Gathers what lanes report. It goes out at the end of the turn, or when the last message is some milliseconds old: with
 * hundreds of speakers a message for each word would cost more than anything else here. A final does not wait: its audio
 * counts as settled from then on, so nobody hears it again should this thread die.
 */
class Reports {
  readonly #post: PostReport;
  readonly #stamp: () => number;
  #firstStamp = 0;
  #sentMs = 0;
  #waiting: LaneReport[] = [];

  constructor(post: PostReport, stamp: () => number) {
    this.#post = post;
    this.#stamp = stamp;
  }

  add(report: LaneReport): void {
    this.#waiting.push(report);
    if (this.#waiting.length === 1) this.#firstStamp = this.#stamp();
    if (report.kind === "transcript" && report.transcript.isFinal) this.#send();
    else if (this.#waiting.length === 1) {
      const restMs = this.#sentMs + reportMs - performance.now();
      if (restMs > 0) setTimeout(this.#send, restMs);
      else setImmediate(this.#send);
    }
  }

  readonly #send = (): void => {
    if (this.#waiting.length === 0) return;
    this.#sentMs = performance.now();
    this.#post({ kind: "lanes", stamp: this.#firstStamp, reports: this.#waiting });
    this.#waiting = [];
  };
}

/** All that an audio worker does: drains the rings of its sessions, decodes, hears voice and feeds the recognisers. */
export class AudioEngine {
  readonly #lanes = new Map<number, WorkerLane>();
  readonly #recognisers: (PocketsphinxProvider | undefined)[] = [];
  readonly #loop: DrainLoop;
  readonly #context: LaneContext;
  readonly #supervisor: Supervisor | undefined;

  constructor(
    start: AudioWorkerStart,
    shelf: CodecShelf,
    detectors: VoiceDetectors,
    seats: readonly CloudSeat[],
    post: PostReport,
  ) {
    const arena = new Arena(start.arena, start.layout);
    const { epochMs } = start;
    const stamp = () => stampOf(performance.timeOrigin + performance.now(), epochMs);
    const reports = new Reports(post, stamp);
    const stages = new StageTimes(start.stages);
    const cpuBeforeMs = arena.cpuMs;
    this.#context = {
      workerId: start.workerId,
      arena,
      shelf,
      detectors,
      prerollMs: start.prerollMs,
      pcmBatchMs: start.pcmBatchMs,
      audioLagMs: start.audioLagMs,
      stamp,
      stages,
      providers: () => this.#providers(),
      report: (report) => {
        if (report.kind === "closed" && this.#lane(report) !== undefined) this.#lanes.delete(report.slot);
        reports.add(report);
      },
      poison: start.poison,
    };
    if (seats.length > 0) {
      const clock = new SystemClock((error) => {
        throw error;
      });
      this.#supervisor = new Supervisor({ clock, seats, offline: () => this.#offline(), onNews: post });
    }
    setInterval(() => this.#reportSpeech(post), speechReportMs);
    this.#loop = new DrainLoop(arena, (slot) => this.#lanes.get(slot));
    this.#loop.start();
    let beats = 0;
    setInterval(() => {
      arena.countBeat();
      const { user, system } = process.threadCpuUsage();
      arena.setCpuMs(cpuBeforeMs + (user + system) / 1e3);
      for (const lane of this.#lanes.values()) lane.endIfQuiet();
      if (++beats % beatsPerCollection === 0 && this.#lanes.size > 0) fullGC();
    }, beatMs);
  }

  /** Loads what the work takes. @rejects Error where this machine lacks what the settings ask for. */
  static async open(
    start: AudioWorkerStart,
    post: PostReport,
  ): Promise<{ readonly engine: AudioEngine; readonly codecs: AudioCodecs }> {
    const shelf = new CodecShelf(start.opus);
    const [detectors, seats] = [await VoiceDetectors.load(), await seatsFor(start.speech)];
    return { engine: new AudioEngine(start, shelf, detectors, seats, post), codecs: shelf.available };
  }

  obey(command: Exclude<AudioWorkerCommand, AudioWorkerStart>): void {
    switch (command.kind) {
      case "recogniser": {
        const known = this.#recognisers[command.recogniserId];
        if (known === undefined)
          this.#recognisers[command.recogniserId] = new PocketsphinxProvider(command.port, command.engine);
        else known.attach(command.port);
        return;
      }
      case "speechNews":
        this.#supervisor?.learn(command);
        return;
      case "fault":
        this.#misbehave(command);
        return;
      case "open":
        this.#context.arena.adopt(command.slot, command.rings);
        this.#lanes.set(
          command.slot,
          new WorkerLane(this.#context, command.slot, command.generation, command.resumed, command.told),
        );
        break;
      case "demand":
        this.#lane(command)?.setDemand(
          command.languages,
          command.pcm,
          command.recent,
          command.speech,
          command.encodedOnly,
        );
        break;
      case "release":
        void this.#lane(command)?.release(releaseDrainMs);
        break;
      case "close":
        this.#lane(command)?.close(command.drainMs);
        break;
    }
    this.#lane(command)?.setSerial(command.serial);
    this.#loop.enqueue(command.slot);
  }

  /** Works off all that waits in the ring of `slot`, here and now: for whoever does without a thread. */
  serveNow(slot: number): void {
    this.#loop.serveNow(slot);
  }

  #lane(address: { slot: number; generation: number }): WorkerLane | undefined {
    const lane = this.#lanes.get(address.slot);
    return lane?.generation === address.generation ? lane : undefined;
  }

  /** Who recognises: the supervisor of all where there are cloud providers. */
  #providers(): readonly SpeechProvider[] {
    return this.#supervisor === undefined ? this.#offline() : [this.#supervisor];
  }

  /** All recognisers in the order of the settings; those that are known not to work come last. */
  #offline(): readonly SpeechProvider[] {
    const known = this.#recognisers.filter((provider) => provider !== undefined);
    const broken = (provider: PocketsphinxProvider) => provider.availability?.available === false;
    return [...known.filter((each) => !broken(each)), ...known.filter(broken)];
  }

  #reportSpeech(post: PostReport): void {
    const lagsMs = [...this.#lanes.values()].flatMap((lane) => lane.lagsMs);
    if (this.#supervisor === undefined && lagsMs.length === 0) return;
    const cloud = this.#supervisor?.report() ?? { providers: [], counts: [], unserved: 0 };
    post({ kind: "speech", ...cloud, lagsMs });
  }

  #misbehave(fault: Fault): void {
    switch (fault.fault) {
      case "spin":
        for (const until = performance.now() + fault.ms; performance.now() < until; );
        return;
      case "throw":
        setImmediate(() => {
          throw new Error("injected fault");
        });
        return;
      case "exit":
        process.exit(7);
        return;
      case "poison":
        this.#context.poison = fault.frame;
    }
  }
}

/** The providers' SDKs are loaded only where they are used: they take longer than all the rest. */
async function seatsFor(setup: SpeechSetup): Promise<readonly CloudSeat[]> {
  if (setup.deepgram === undefined && setup.assemblyai === undefined) return [];
  const { cloudSeats } = await import("./stt/cloud/cloud-seats.ts");
  return cloudSeats(setup);
}
