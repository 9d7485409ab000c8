import type { SeededRandom } from "./seeded-random.ts";

/** One session's decoder in the scenario below. */
export interface ScenarioDecoder {
  /** The samples of a packet. May throw. */
  decode(packet: Uint8Array): Int16Array;
  close(): void;
}

export interface ScenarioResult {
  readonly decoded: number;
  /** Packets whose samples differ from the reference. */
  readonly wrong: number;
  readonly thrown: number;
  /** Sessions opened and closed in all, and the most that were open at one time. */
  readonly opened: number;
  readonly closed: number;
  readonly mostOpen: number;
}

export interface ScenarioInput {
  readonly random: SeededRandom;
  /** Some streams of packets, and the samples of each packet as a decoder alone in the world gives them. */
  readonly streams: readonly {
    readonly packets: readonly Uint8Array[];
    readonly samples: readonly Int16Array[];
  }[];
  readonly steps: number;
  open(): ScenarioDecoder;
}

/** 120 ms of Opus: two frames of 60 ms. */
const tooLong = Uint8Array.from({ length: 41 }, (_, i) => (i === 0 ? (3 << 3) | 1 : (i * 37) & 0xff));

/**
 * Up to 200 sessions opened and closed at random, each decoding a stream of its own, while one client sends empty
 * packets, garbage and packets of 120 ms.
 */
export function runOpusScenario(input: ScenarioInput): ScenarioResult {
  const { random, streams, steps, open } = input;
  const sessions: { decoder: ScenarioDecoder; stream: (typeof streams)[number]; at: number }[] = [];
  const hostile = open();
  const result = { decoded: 0, wrong: 0, thrown: 0, opened: 0, closed: 0, mostOpen: 0 };
  const close = (decoder: ScenarioDecoder | undefined) => {
    if (decoder === undefined) return;
    attempt(() => decoder.close());
    result.closed++;
  };
  const attempt = <Value>(run: () => Value): Value | undefined => {
    try {
      return run();
    } catch {
      result.thrown++;
      return undefined;
    }
  };
  for (let step = 0; step < steps; step++) {
    if (sessions.length < 200 && random.chance(sessions.length < 150 ? 0.2 : 0.03)) {
      const decoder = attempt(open);
      if (decoder === undefined) continue;
      sessions.push({ decoder, stream: random.pick(streams), at: 0 });
      result.opened++;
    }
    if (sessions.length > 0 && random.chance(0.03)) {
      const [gone] = sessions.splice(random.integer(0, sessions.length - 1), 1);
      close(gone?.decoder);
    }
    result.mostOpen = Math.max(result.mostOpen, sessions.length);
    if (random.chance(0.1)) {
      const packet = random.pick([new Uint8Array(0), random.bytes(random.integer(1, 1_300)), tooLong]);
      // What becomes of the hostile client's own audio is its own affair.
      try {
        hostile.decode(packet);
      } catch {}
    }
    if (sessions.length === 0) continue;
    const session = random.pick(sessions);
    const packet = session.stream.packets[session.at];
    const expected = session.stream.samples[session.at];
    if (packet === undefined || expected === undefined) {
      sessions.splice(sessions.indexOf(session), 1);
      close(session.decoder);
      continue;
    }
    session.at++;
    const samples = attempt(() => session.decoder.decode(packet));
    if (samples === undefined) continue;
    result.decoded++;
    if (Buffer.compare(bytesOf(samples), bytesOf(expected)) !== 0) result.wrong++;
  }
  for (const { decoder } of sessions) close(decoder);
  return result;
}

function bytesOf(samples: Int16Array): Uint8Array {
  return new Uint8Array(samples.buffer, samples.byteOffset, samples.byteLength);
}
