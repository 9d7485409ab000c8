import { parseArgs } from "node:util";
import type { AudioFormat } from "../src/wire/audio-format.ts";
import { CommandFailure } from "./command.ts";

/** What the simulated glasses are to do. */
export interface GlassesArguments {
  /** The server's address without a trailing slash; undefined: the one this environment's server would have. */
  readonly url: string | undefined;
  readonly user: string;
  /** Undefined: one is made with the secret in the data folder. */
  readonly token: string | undefined;
  readonly format: AudioFormat;
  readonly app: string | undefined;
  /** What to say at once, in the order of the command line. */
  readonly speech: readonly SpeechSource[];
}

export type SpeechSource =
  | { readonly kind: "wav"; readonly file: string }
  | { readonly kind: "text"; readonly text: string };

export const usage = `usage: bun run glasses [OPTION ...]
  --url URL              the server (default: the one of this environment, http://127.0.0.1:8002)
  --user EMAIL           who wears the glasses (default: me@example.com)
  --token TOKEN          a core token (default: made with the secret in the data folder)
  --app PACKAGE          start this app
  --codec pcm|opus|lc3   how sound is encoded (default: pcm)
  --wav FILE             say what a WAV file holds; may be repeated
  --say TEXT             say a text; may be repeated
In a terminal: the display, the microphone and the transcripts live, with keys to press the button, look up, speak, start
an app, change the codec, drop the connection and come back. Elsewhere: a line for each event, until all is said.`;

/** The format that a codec's name stands for here: LC3 with frames of 40 bytes, 32 kbit/s. */
export function formatNamed(codec: string): AudioFormat | undefined {
  switch (codec) {
    case "pcm":
    case "opus":
      return { codec };
    case "lc3":
      return { codec, frameBytes: 40 };
    default:
      return undefined;
  }
}

/** @throws CommandFailure naming what is wrong. */
export function readGlassesArguments(args: readonly string[]): GlassesArguments {
  const { values, tokens } = parse(args);
  const format = formatNamed(values.codec);
  if (format === undefined) throw new CommandFailure(`${values.codec} is not a codec: pcm, opus or lc3`);
  if (values.url !== undefined && !(URL.canParse(values.url) && /^https?:/.test(values.url))) {
    throw new CommandFailure(`${values.url} is not an address such as http://127.0.0.1:8002`);
  }
  if (!/^[^\s@]+@[^\s@]+$/.test(values.user))
    throw new CommandFailure(`${values.user} is not an e-mail address`);
  // The options are given per name; their order among each other is only in the tokens.
  const speech = tokens.flatMap((token): SpeechSource[] => {
    if (token.kind !== "option" || token.value === undefined) return [];
    if (token.name === "wav") return [{ kind: "wav", file: token.value }];
    return token.name === "say" ? [{ kind: "text", text: token.value }] : [];
  });
  return {
    url: values.url?.replace(/\/+$/, ""),
    user: values.user,
    token: values.token,
    format,
    app: values.app,
    speech,
  };
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      tokens: true,
      options: {
        url: { type: "string" },
        user: { type: "string", default: "me@example.com" },
        token: { type: "string" },
        app: { type: "string" },
        codec: { type: "string", default: "pcm" },
        wav: { type: "string", multiple: true },
        say: { type: "string", multiple: true },
      },
    });
  } catch (error) {
    throw new CommandFailure(`${error instanceof Error ? error.message : error}\n${usage}`);
  }
}
