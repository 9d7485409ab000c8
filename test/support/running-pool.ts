import type { AudioLane, LaneListener } from "../../src/audio/lanes.ts";
import { AudioPool } from "../../src/audio/pool.ts";
import type { SpeechState, Transcript } from "../../src/audio/speech.ts";
import { SystemClock } from "../../src/kernel/clock.ts";
import { loadConfig } from "../../src/kernel/config.ts";
import type { Limits } from "../../src/kernel/limits.ts";
import { createLog } from "../../src/kernel/log.ts";
import { Metrics } from "../../src/kernel/metrics.ts";

/** Writes down what a lane reports. */
export class HeardLane implements LaneListener {
  readonly transcripts: Transcript[] = [];
  readonly voices: boolean[] = [];
  readonly states: SpeechState[] = [];
  readonly batches: Uint8Array[] = [];

  onTranscript(transcript: Transcript): void {
    this.transcripts.push(transcript);
  }

  onVoice(active: boolean): void {
    this.voices.push(active);
  }

  onPcm(pcm: Uint8Array): void {
    this.batches.push(pcm.slice());
  }

  onSpeechState(state: SpeechState): void {
    this.states.push(state);
  }

  /** All PCM so far, as samples. */
  get samples(): Int16Array {
    return new Int16Array(new Uint8Array(Buffer.concat(this.batches)).buffer);
  }
}

/** Real audio workers, without a recogniser. */
export async function startPool(options: {
  readonly workers?: number;
  readonly recogniser?: "auto" | "off";
  /** Folder of a model for sherpa. */
  readonly sherpaModel?: string;
  readonly limits?: Partial<Limits>;
  /** More settings, as in the environment. */
  readonly env?: Readonly<Record<string, string>>;
}) {
  const clock = new SystemClock((error) => {
    throw error;
  });
  const metrics = new Metrics();
  const loaded = loadConfig({
    BROWLINE_AUDIO_WORKERS: String(options.workers ?? 1),
    BROWLINE_RECOGNISER: options.recogniser ?? "off",
    ...(options.sherpaModel !== undefined && { BROWLINE_SHERPA_MODEL: options.sherpaModel }),
    ...options.env,
  });
  const config = { ...loaded, limits: { ...loaded.limits, maxSessions: 64, ...options.limits } };
  const log = createLog({ level: "silent", format: "json" });
  const pool = await AudioPool.start({ config, clock, log, metrics });
  return {
    pool,
    clock,
    metrics,
    open(): { lane: AudioLane; heard: HeardLane } {
      const heard = new HeardLane();
      const lane = pool.open(heard);
      if (lane === undefined) throw new Error("no room for a lane");
      return { lane, heard };
    },
    /** Sum of a counter over all labels that contain `labels`. */
    async counted(
      counter: { get(): Promise<{ values: { value: number; labels: object }[] }> },
      labels: Record<string, string> = {},
    ): Promise<number> {
      const { values } = await counter.get();
      const matching = values.filter(({ labels: own }) =>
        Object.entries(labels).every(([name, value]) => Reflect.get(own, name) === value),
      );
      return matching.reduce((sum, { value }) => sum + value, 0);
    },
  };
}
