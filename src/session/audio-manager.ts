import type { AudioDemand, AudioLane, AudioLanes, LaneListener } from "../audio/lanes.ts";
import type { Clock } from "../kernel/clock.ts";
import type { Limits } from "../kernel/limits.ts";
import type { Metrics, Tally } from "../kernel/metrics.ts";
import { TokenBucket } from "../kernel/token-bucket.ts";
import type { AudioFormat } from "../wire/audio-format.ts";
import type { UnwantedAudio } from "./unwanted-audio.ts";
import { WholeSamples } from "./whole-samples.ts";

/** What the manager needs of its session. */
export interface AudioHost {
  readonly clock: Clock;
  readonly limits: Pick<Limits, "passedOnFrames" | "passedOnFramesPerSecond">;
  readonly lanes: AudioLanes;
  readonly metrics: Metrics;
  /** Hears the lane, and what is passed on without one. */
  readonly listener: LaneListener;
  readonly unwantedAudio: UnwantedAudio;
}

/** Unwanted audio is looked for at every eighth frame, and at each that may be far longer than usual ones. */
const lookMask = 8 - 1;
const longFrameBytes = 1_600;

/**
 * Sends a session's audio where it is wanted. PCM goes to the apps that hear it as it came: there is nothing to decode, and
 * no thread in between that could be late. Everything else is a worker's part, which the session's lane leads to. A lane is
 * opened when somebody first wants what only a worker can give, so that a silent session holds no place there; what was
 * said of the format before that is remembered and told then.
 */
export class AudioManager {
  // First what every frame needs.
  /** The socket whose audio is taken, or 0. */
  #generation = 0;
  #frames = 0;
  #lane: AudioLane | undefined;
  /** Whether frames go to the apps as they came, and whether they are for the lane. */
  #passesOn = false;
  #forLane = false;
  readonly #unwanted: Tally;
  readonly #unwantedAudio: UnwantedAudio;
  readonly #withoutLane: Tally;
  readonly #passedOn: Tally;
  readonly #samples = new WholeSamples();
  readonly #allowance: TokenBucket;
  readonly #host: AudioHost;
  #format: AudioFormat;
  #demand: AudioDemand = { languages: [], pcm: false };
  #closed = false;

  constructor(host: AudioHost, format: AudioFormat) {
    this.#host = host;
    this.#unwantedAudio = host.unwantedAudio;
    this.#unwanted = host.metrics.audioFrames.tally("unwanted");
    this.#withoutLane = host.metrics.audioFrames.tally("no_lane");
    this.#passedOn = host.metrics.audioFrames.tally("passed_on");
    this.#format = format;
    const { passedOnFrames, passedOnFramesPerSecond } = host.limits;
    this.#allowance = new TokenBucket(passedOnFrames, passedOnFramesPerSecond);
  }

  get format(): AudioFormat {
    return this.#format;
  }

  /** Whether somebody hears the audio, and gets it. */
  get heard(): boolean {
    return this.#passesOn || (this.#forLane && this.#lane !== undefined);
  }

  /**
   * One binary frame from the glasses; nothing waits. As a rule nothing is allocated, and few objects are touched: this runs
   * fifty times a second for everybody, and with a thousand sessions each object is a miss in the processor's cache.
   */
  receive(generation: number, frame: Uint8Array): void {
    if (generation !== this.#generation) {
      this.#host.metrics.audioFrames.inc({ fate: "stale" });
      return;
    }
    if ((++this.#frames & lookMask) === 0 || frame.byteLength > longFrameBytes) this.#unwantedAudio.heard();
    if (this.#passesOn) {
      this.#passOn(frame);
      return;
    }
    this.#toLane(frame);
    if ((frame.byteLength & 1) === 1) this.#samples.skip(1);
  }

  setFormat(format: AudioFormat): void {
    if (format.codec !== this.#format.codec) this.#samples.reset();
    this.#format = format;
    this.#lane?.setFormat(format);
    this.#applyDemand();
  }

  /** The phone's own voice detector. */
  markVoice(active: boolean): void {
    this.#lane?.markVoice(active);
  }

  /** A new glasses socket begins a new stream of samples. */
  glassesConnected(generation: number): void {
    this.#generation = generation;
    this.#samples.reset();
    this.#lane?.reset();
    // There may be room now where there was none before.
    this.#applyDemand();
  }

  /** Nobody's audio is taken until the next socket connects. */
  glassesGone(): void {
    this.#generation = 0;
  }

  setDemand(demand: AudioDemand): void {
    this.#demand = demand;
    this.#applyDemand();
  }

  /** Ends the lane after the words still on their way, or after `drainMs`. */
  async close(drainMs: number): Promise<void> {
    this.#closed = true;
    const lane = this.#lane;
    this.#lane = undefined;
    await lane?.close(drainMs);
  }

  /** To the apps, and to the lane if it has a use for it: every frame has one fate, the lane's where there is one. */
  #passOn(frame: Uint8Array): void {
    const { clock, metrics, listener } = this.#host;
    // Each is a message to every app, however short it is; how many bytes may wait for an app is its socket's to say.
    const admitted = this.#allowance.take(clock.now());
    if (this.#forLane) this.#toLane(frame);
    else {
      this.#lane?.skip(frame.byteLength);
      if (admitted) this.#passedOn.count++;
      else metrics.audioFrames.inc({ fate: "too_fast" });
    }
    if (!admitted) {
      this.#samples.skip(frame.byteLength);
      metrics.audioLost.inc({ cause: "too_fast" });
      return;
    }
    const whole = this.#samples.take(frame);
    if (whole.byteLength > 0) listener.onPcm(whole);
  }

  #toLane(frame: Uint8Array): void {
    if (this.#lane !== undefined) this.#lane.write(frame);
    else if (this.#forLane) this.#withoutLane.count++;
    else this.#unwanted.count++;
  }

  /** Decides which way frames go, and opens a lane where one is needed. */
  #applyDemand(): void {
    if (this.#closed) return;
    const { languages, speech = [], pcm, voice = false } = this.#demand;
    const passesOn = pcm && this.#format.codec === "pcm";
    // Half a sample that nobody has got does not wait for a time when somebody hears again.
    if (this.#passesOn && !passesOn) this.#samples.skip(0);
    this.#passesOn = passesOn;
    this.#forLane = languages.length > 0 || (pcm && (voice || !passesOn));
    if (this.#lane === undefined && this.#forLane) this.#open();
    // Also while PCM comes, which it need not send back: what is on its way there may have been encoded.
    this.#lane?.setDemand({ languages, speech, pcm, encodedOnly: true, voice: pcm && voice });
  }

  #open(): void {
    this.#lane = this.#host.lanes.open(this.#host.listener);
    if (this.#lane !== undefined) {
      this.#lane.setFormat(this.#format);
      if (this.#samples.isInside) this.#lane.skip(1);
    } else this.#host.listener.onSpeechState({ state: "off", detail: "Every audio lane is taken" });
  }
}
