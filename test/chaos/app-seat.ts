import type { ClientJournal } from "./client-journal.ts";
import type { FaultLane } from "./fault-lane.ts";
import type { PressLedger } from "./press-ledger.ts";

/** Streams for which a microphone has to be on. */
export const heardStreams = /^(transcription|audio_chunk)/;

export interface AppSeatParts {
  readonly userId: string;
  readonly packageName: string;
  readonly ledger: PressLedger;
  readonly journal: ClientJournal;
  /** The way of this app to the server; undefined where all users of the app share one. */
  readonly lane: FaultLane | undefined;
  readonly streams: readonly string[];
}

/** One app of one user: what it wants to hear, what it has heard, and how it is connected. */
export class AppSeat {
  readonly userId: string;
  readonly packageName: string;
  readonly ledger: PressLedger;
  readonly journal: ClientJournal;
  readonly lane: FaultLane | undefined;
  #streams: readonly string[];
  #wanted = true;
  /** When the user, or the app, last changed his mind. */
  changedMs = performance.now();
  /** When the present connection was acknowledged; undefined while there is none. */
  ackedMs: number | undefined;
  /** How often it was acknowledged. */
  acks = 0;
  /** How often the server may have begun anew to wait for it. */
  starts = 0;
  audioBytes = 0;

  constructor(parts: AppSeatParts) {
    this.userId = parts.userId;
    this.packageName = parts.packageName;
    this.ledger = parts.ledger;
    this.journal = parts.journal;
    this.lane = parts.lane;
    this.#streams = parts.streams;
  }

  get sessionId(): string {
    return `${this.userId}-${this.packageName}`;
  }

  get streams(): readonly string[] {
    return this.#streams;
  }

  /** Whether the user wants the app running. */
  get wanted(): boolean {
    return this.#wanted;
  }

  /** Whether the app wants the microphone on, if it is there. */
  get hears(): boolean {
    return this.#wanted && this.#streams.some((stream) => heardStreams.test(stream));
  }

  get hearsSound(): boolean {
    return this.#wanted && this.#streams.includes("audio_chunk");
  }

  want(wanted: boolean): void {
    this.#wanted = wanted;
    this.changedMs = performance.now();
  }

  listenTo(streams: readonly string[]): void {
    this.#streams = streams;
    this.changedMs = performance.now();
  }

  /** The app has been acknowledged. @param lost events that the server says it could not keep. */
  back(lost: number): void {
    const now = performance.now();
    this.ackedMs = now;
    this.acks++;
    this.ledger.appBack(now, lost);
  }

  away(): void {
    this.ackedMs = undefined;
    this.ledger.appAway(performance.now());
  }

  /** A handler of the app was called with a button press. */
  pressed(data: unknown): void {
    const press =
      typeof data === "object" && data !== null && "buttonId" in data ? Number(data.buttonId) : NaN;
    this.journal.noteFrequent(`${this.packageName}: press ${press} arrives`);
    this.ledger.arrived(press, performance.now());
  }
}
