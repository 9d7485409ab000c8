import { sampleRate, samplesPerMs } from "../src/audio/recent-audio.ts";
import { loadConfig } from "../src/kernel/config.ts";
import { SpeechSynthesiser } from "../src/simulator/speech-synthesiser.ts";
import { cloudSeats } from "../workers/stt/cloud/cloud-seats.ts";
import type {
  CloudConnection,
  CloudVendor,
  ConnectionEvent,
  ConnectionFailure,
} from "../workers/stt/cloud/vendor.ts";
import { CommandFailure, runCommand } from "./command.ts";

const usage = `usage: bun run speech-check [SENTENCE]
  Speaks a sentence (default: "take a photo please") to each cloud service whose key is set in BROWLINE_DEEPGRAM_KEY or
  BROWLINE_ASSEMBLYAI_KEY, just as the server would, and prints what came back, and when. Costs a few seconds of each.`;

const messageMs = 100;
const silenceMs = 500;
/** How long the service may take for its last word. */
const patienceMs = 10_000;

/** What became of the connection, in milliseconds since the first sound; undefined: it did not happen. */
class Account {
  readonly finals: string[] = [];
  openAt: number | undefined;
  firstWordAt: number | undefined;
  finalAt: number | undefined;
  settledSample = 0;
  failure: ConnectionFailure | undefined;
  readonly opened = Promise.withResolvers<void>();
  readonly ended = Promise.withResolvers<void>();
  hasEnded = false;

  hear(event: ConnectionEvent): void {
    if (event.kind === "settled") this.settledSample = event.sample;
    if (event.kind !== "interim" && event.kind !== "final") return;
    if (event.text.trim() === "") return;
    this.firstWordAt ??= performance.now();
    if (event.kind === "interim") return;
    this.finalAt = performance.now();
    this.finals.push(event.text);
  }

  end(failure: ConnectionFailure | undefined): void {
    this.failure = failure;
    this.hasEnded = true;
    this.opened.resolve();
    this.ended.resolve();
  }
}

/** `bun run speech-check`: whether the keys of this environment are good for what the server does with them. */
await runCommand(usage, async () => {
  const sentence = process.argv.slice(2).join(" ") || "take a photo please";
  const { speech: order, deepgram, assemblyai } = loadConfig(process.env);
  const vendors = cloudSeats({ order, deepgram, assemblyai }).map(({ vendor }) => vendor);
  if (vendors.length === 0) {
    throw new CommandFailure("No key is set: BROWLINE_DEEPGRAM_KEY or BROWLINE_ASSEMBLYAI_KEY has to be.");
  }
  const synthesiser = new SpeechSynthesiser();
  try {
    const spoken = await synthesiser.synthesise(sentence);
    let failed = 0;
    for (const vendor of vendors) if (!(await check(vendor, sentence, spoken))) failed++;
    if (failed > 0) throw new CommandFailure(`${failed} of ${vendors.length} failed.`);
  } finally {
    synthesiser.close();
  }
});

async function check(vendor: CloudVendor, sentence: string, spoken: Int16Array): Promise<boolean> {
  const account = new Account();
  const begun = performance.now();
  const connection = vendor.connect(
    {
      language: "en-US",
      hints: [],
      identifyLanguage: false,
      keyterms: [],
      signal: new AbortController().signal,
    },
    {
      onOpen: () => {
        account.openAt = performance.now();
        account.opened.resolve();
      },
      onEvent: (event) => account.hear(event),
      onEnd: (failure) => account.end(failure),
    },
  );
  await account.opened.promise;
  const voiceAt = performance.now() + silenceMs;
  if (!account.hasEnded) await play(connection, spoken, account);
  connection.close(2_000);
  await account.ended.promise;
  const { failure, openAt, firstWordAt, finalAt, finals } = account;
  if (failure !== undefined) {
    console.log(`${vendor.id}: failed (${failure.kind}): ${failure.detail}`);
    return false;
  }
  const heard = finals.join(" ");
  const voiceEndAt = voiceAt + spoken.length / samplesPerMs;
  const since = (from: number, at: number | undefined) =>
    at === undefined ? "never" : `${Math.round(at - from)} ms`;
  console.log(`${vendor.id}: open after ${since(begun, openAt)}, first word ${since(voiceAt, firstWordAt)} after
  the voice began, last final ${since(voiceEndAt, finalAt)} after it ended`);
  console.log(`  said:  ${sentence}\n  heard: ${heard}`);
  const rightly = sharedWords(sentence, heard);
  if (rightly >= 0.5) return true;
  console.log(`  only ${Math.round(rightly * 100)} % of the words came back`);
  return false;
}

/** Plays at the pace of a microphone, with silence around it, and waits for the last word. */
async function play(connection: CloudConnection, spoken: Int16Array, account: Account): Promise<void> {
  const lead = silenceMs * samplesPerMs;
  const audio = new Int16Array(lead + spoken.length + sampleRate);
  audio.set(spoken, lead);
  const step = messageMs * samplesPerMs;
  const begun = performance.now();
  for (let at = 0; at < audio.length && !account.hasEnded; at += step) {
    connection.write(audio.slice(at, at + step), at);
    await Bun.sleep(Math.max(0, begun + (at + step) / samplesPerMs - performance.now()));
  }
  connection.finalize();
  const deadline = performance.now() + patienceMs;
  const complete = () => account.finals.length > 0 && account.settledSample >= lead + spoken.length;
  while (!complete() && !account.hasEnded && performance.now() < deadline) await Bun.sleep(20);
}

/** The part of the said words that were heard, in any order: 0 to 1. */
function sharedWords(said: string, heard: string): number {
  const words = (text: string) => text.toLowerCase().match(/[\p{L}\p{N}']+/gu) ?? [];
  const known = new Set(words(heard));
  const wanted = words(said);
  return wanted.length === 0 ? 1 : wanted.filter((word) => known.has(word)).length / wanted.length;
}
