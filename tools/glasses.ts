import { readFileSync } from "node:fs";
import { readWav } from "../src/audio/wav.ts";
import { mintCoreToken } from "../src/gateway/core-token.ts";
import { localUrl } from "../src/gateway/public-address.ts";
import { loadSecrets } from "../src/gateway/secrets.ts";
import { commandLine } from "../src/kernel/command-line.ts";
import { loadConfig } from "../src/kernel/config.ts";
import { GlassesRefused, NoServer } from "../src/simulator/glasses-refused.ts";
import { SimulatedGlasses } from "../src/simulator/simulated-glasses.ts";
import { SpeechSynthesiser } from "../src/simulator/speech-synthesiser.ts";
import { CommandFailure, runCommand } from "./command.ts";
import { type GlassesArguments, readGlassesArguments, usage } from "./glasses-arguments.ts";
import { logGlasses } from "./glasses-log.ts";
import { GlassesState } from "./glasses-state.ts";
import { showGlasses } from "./glasses-terminal.ts";

/** `bun run glasses`: simulated glasses for the terminal, live in a terminal and as a plain log elsewhere. */
await runCommand(usage, async () => {
  const args = readGlassesArguments(process.argv.slice(2));
  const config = loadConfig(process.env);
  const url = args.url ?? localUrl(config, config.port);
  const token =
    args.token ?? (await mintCoreToken(loadSecrets(config.dataDir, config).tokenSecret, args.user));
  const synthesiser = new SpeechSynthesiser();
  const speech = await Promise.all(args.speech.map((source) => samplesOf(source, synthesiser)));

  const state = new GlassesState();
  state.codec = args.format.codec;
  const glasses = new SimulatedGlasses({ url, token, events: state.callbacks, overhears: true });
  try {
    await connect(glasses, url, args);
    const session = { glasses, state, synthesiser, speech, app: args.app, format: args.format };
    if (process.stdout.isTTY && process.stdin.isTTY) await showGlasses(session);
    else await logGlasses(session);
  } finally {
    glasses.close();
    synthesiser.close();
  }
});

/** Connects, and agrees on the codec: the server remembers a user's codec, so that plain PCM must be said as well. */
async function connect(glasses: SimulatedGlasses, url: string, args: GlassesArguments): Promise<void> {
  try {
    await glasses.connect();
    await glasses.configureAudio(args.format);
  } catch (error) {
    if (!(error instanceof GlassesRefused)) throw error;
    if (error.status === 401) {
      throw new CommandFailure(
        `${url} does not accept the token: ${error.message}. Without --token it is made with the secret in this data folder; is it the server's?`,
      );
    }
    if (error instanceof NoServer) {
      throw new CommandFailure(`${error.message}. Start one with: ${commandLine("start")}`);
    }
    throw new CommandFailure(error.status === undefined ? error.message : `${url}: ${error.message}`);
  }
}

async function samplesOf(
  source: GlassesArguments["speech"][number],
  synthesiser: SpeechSynthesiser,
): Promise<{ label: string; samples: Int16Array }> {
  if (source.kind === "text") {
    return { label: source.text, samples: await synthesiser.synthesise(source.text) };
  }
  try {
    return { label: source.file, samples: readWav(readFileSync(source.file)) };
  } catch (error) {
    throw new CommandFailure(`${source.file}: ${error instanceof Error ? error.message : error}`);
  }
}
