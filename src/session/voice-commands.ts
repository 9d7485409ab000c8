/** An app as a voice command may mean it. */
export interface CallableApp {
  readonly packageName: string;
  /** What the app is called. */
  readonly name: string;
  /** Further things to say for it: alone or after a verb. */
  readonly phrases?: readonly string[];
}

export interface VoiceCommand {
  readonly action: "start" | "stop";
  readonly packageName: string;
}

const verbs: Readonly<Record<string, VoiceCommand["action"]>> = {
  start: "start",
  open: "start",
  launch: "start",
  stop: "stop",
  close: "stop",
};

/**
 * Finds out whether an utterance is, from its first word to its last, a command for one of the user's apps: a verb and
 * the app's name or phrase, or a phrase alone, which starts the app. Case and punctuation do not count; every word does.
 * @returns undefined for everything else, and whenever more than one thing could be meant.
 */
export function matchCommand(text: string, apps: readonly CallableApp[]): VoiceCommand | undefined {
  const said = spoken(text);
  const verbEnd = said.indexOf(" ");
  const action = verbEnd < 0 ? undefined : verbs[said.slice(0, verbEnd)];
  const object = said.slice(verbEnd + 1);
  const meant = new Map<string, VoiceCommand>();
  for (const { packageName, name, phrases = [] } of apps) {
    const terms = phrases.map(spoken).filter((term) => term !== "");
    const called = [spoken(name), ...terms].filter((term) => term !== "");
    if (action !== undefined && called.includes(object)) {
      meant.set(`${action} ${packageName}`, { action, packageName });
    }
    if (terms.includes(said)) meant.set(`start ${packageName}`, { action: "start", packageName });
  }
  const [only, another] = meant.values();
  return another === undefined ? only : undefined;
}

/** A text as it sounds: words in lower case, one space between them. */
function spoken(text: string): string {
  return text
    .normalize("NFKC")
    .toLowerCase()
    .replace(/['’]/g, "")
    .replace(/[^\p{L}\p{N}]+/gu, " ")
    .trim();
}
