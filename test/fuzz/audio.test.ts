import { afterEach, expect, test } from "bun:test";
import type { SimulatedGlasses } from "../../src/simulator/simulated-glasses.ts";
import { CodecShelf } from "../../workers/codecs/codec-shelf.ts";
import { hummedSamples, opusPackets } from "../support/opus-packets.ts";
import { type SeededRandom, seededRandom } from "../support/seeded-random.ts";
import { packageName, Stage } from "../support/stage.ts";
import { until } from "../support/until.ts";

const rounds = 120;
const good = "good@example.com";
const bad = ["mallory@example.com", "eve@example.com", "trudy@example.com"];
const packets = opusPackets(hummedSamples(16_000, 120));

let stage: Stage;
afterEach(() => stage.close());

/** Sends one binary frame that no good client would, or that only fits another format. */
function misbehave(random: SeededRandom, glasses: SimulatedGlasses): void {
  switch (random.integer(0, 6)) {
    case 0:
      glasses.sendBinary(new Uint8Array(0));
      return;
    case 1:
      glasses.sendBinary(random.bytes(random.integer(1, 70)));
      return;
    case 2:
      glasses.sendBinary(random.bytes(random.integer(1_200, 1_400)));
      return;
    case 3:
      glasses.sendBinary(random.bytes(random.integer(32_000, 70_000)));
      return;
    case 4: {
      // A packet that was whole once: one byte of it is another, or its end is missing.
      const packet = random.pick(packets).slice();
      const at = random.integer(0, packet.length - 1);
      if (random.chance(0.5)) packet[at] = random.integer(0, 255);
      glasses.sendBinary(random.chance(0.5) ? packet : packet.subarray(0, at));
      return;
    }
    case 5:
      // 120 ms in one packet, twice what is allowed.
      glasses.sendBinary(
        Uint8Array.from({ length: 41 }, (_, i) => (i === 0 ? (3 << 3) | 1 : (i * 37) & 0xff)),
      );
      return;
    default:
      for (let n = random.integer(1, 30); n > 0; n--)
        glasses.sendBinary(random.bytes(random.integer(0, 700)));
  }
}

/** Says that what follows is in another format; now and then in a way that is to be refused. */
async function reconfigure(random: SeededRandom, email: string): Promise<number> {
  const frameSizeBytes = random.pick([20, 40, 60, 41]);
  const body = random.pick<unknown>([
    { format: "pcm", lc3Config: null },
    { format: "opus", lc3Config: null },
    { format: "lc3", lc3Config: { sampleRate: 16_000, frameDurationMs: 10, frameSizeBytes } },
    { format: "nonsense" },
  ]);
  const response = await fetch(`${stage.server.url}/api/client/audio/configure`, {
    method: "POST",
    headers: { authorization: `Bearer ${await stage.token(email)}`, "content-type": "application/json" },
    body: JSON.stringify(body),
  });
  await response.body?.cancel();
  return response.status;
}

test("hostile audio in every format changes no byte of a neighbour on the same worker, and ends no worker", async () => {
  const random = seededRandom("hostile audio through the sockets");
  stage = await Stage.open({ audioWorkers: 1, recogniser: "off" });
  const app = await stage.wireApp("audio_chunk");
  const options = { background: "none", ignoreMicrophone: true } as const;
  const attackers: { email: string; glasses: SimulatedGlasses }[] = [];
  for (const email of bad) attackers.push({ email, glasses: await stage.glasses(options, email) });
  const healthy = await stage.glasses(options, good);
  for (const { glasses } of [...attackers, { glasses: healthy }]) {
    glasses.startApp(packageName);
    await glasses.until(() => glasses.microphoneOn, "the microphone");
  }
  const session = await app.sessions.until(({ userId }) => userId === good);
  const got: Uint8Array[] = [];
  let gotBytes = 0;
  session.socket.addEventListener("message", ({ data }) => {
    if (!(data instanceof ArrayBuffer)) return;
    got.push(new Uint8Array(data));
    gotBytes += data.byteLength;
  });

  const statuses = new Set<number>();
  // What has to be decoded passes the rings and the worker; the same by a decoder that has met nobody else.
  stage.server.sessions.getSession(good)?.configureAudio({ codec: "opus" });
  const decoder = new CodecShelf("auto").open({ codec: "opus" }, () => {});
  const expected: Uint8Array[] = [];
  let expectedBytes = 0;
  for (let round = 0; round < rounds; round++) {
    const { email, glasses } = random.pick(attackers);
    if (random.chance(0.4)) statuses.add(await reconfigure(random, email));
    for (let n = random.integer(0, 4); n > 0; n--) misbehave(random, random.pick(attackers).glasses);
    const packet = packets[round % packets.length] ?? new Uint8Array();
    const frame = new Uint8Array(decoder.decode(packet).slice().buffer);
    healthy.sendBinary(packet);
    expected.push(frame);
    expectedBytes += frame.byteLength;
    if (random.chance(0.2)) misbehave(random, glasses);
    await until(`the audio of round ${round}`, () => gotBytes >= expectedBytes, 20_000);
  }

  expect(Buffer.compare(Buffer.concat(got), Buffer.concat(expected))).toBe(0);
  decoder.close();
  // The frames were real ones to the server: they passed the rings, and were decoded or found undecodable.
  expect([...statuses].sort()).toEqual([200, 400]);
  expect(await stage.count("browline_audio_frames_decoded_total")).toBeGreaterThan(rounds * 2);
  expect(await stage.count("browline_audio_lost_total", { cause: "undecodable" })).toBeGreaterThan(0);
  expect(await stage.count("browline_messages_rejected_total", { reason: "oversized" })).toBeGreaterThan(0);
  expect(await stage.count("browline_worker_restarts_total")).toBe(0);
  expect(await stage.count("browline_lanes_quarantined_total")).toBe(0);
  expect(await stage.count("browline_errors_total")).toBe(0);
  for (const { glasses } of [...attackers, { glasses: healthy }]) expect(glasses.connected).toBe(true);
}, 90_000);
