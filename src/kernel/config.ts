import { availableParallelism } from "node:os";
import { resolve } from "node:path";
import { type Limits, limits } from "./limits.ts";

/** Who can recognise speech. */
export const speechProviderIds = ["deepgram", "assemblyai", "sherpa", "pocketsphinx"] as const;
export type SpeechProviderId = (typeof speechProviderIds)[number];

/** An account with a cloud provider of speech. */
export interface SpeechAccount {
  /** Undefined: there is a `tokenUrl`, or the service is one of the operator's own that asks for nothing. */
  readonly key: string | undefined;
  /** Gives a temporary token for each connection, instead of the key. */
  readonly tokenUrl: string | undefined;
  /** Undefined: the provider's own. */
  readonly url: string | undefined;
  /** Undefined: the provider's own choice. */
  readonly model: string | undefined;
  /** Connections at one time, of the whole server. */
  readonly concurrency: number;
  /** New connections a minute, of the whole server. */
  readonly opensPerMinute: number;
}

/** No limit of Deepgram's is known; this many keep a crowd that comes all at once from looking like an attack. */
const deepgramOpensPerMinute = 1_200;

/** What the operator decides. Made once at the start from environment variables named `BROWLINE_...`. */
export interface Config {
  readonly host: string;
  /** 0 lets the system choose. */
  readonly port: number;
  readonly livezPort: number;
  /** Where apps and phones reach this server, without a trailing slash. Undefined: derived from host and port. */
  readonly publicUrl: string | undefined;
  readonly tls: { readonly certFile: string; readonly keyFile: string } | undefined;
  readonly dataDir: string;
  /** Overrides the token secret kept in the data folder. */
  readonly tokenSecret: string | undefined;
  /** Overrides the admin token kept in the data folder. */
  readonly adminToken: string | undefined;
  readonly logLevel: string;
  readonly logFormat: "auto" | "json" | "pretty";
  readonly audioWorkers: number;
  readonly recogniser: "auto" | "off";
  readonly recogniserModel: string;
  /** Utterances that the offline recogniser may decode at one time. */
  readonly decoders: number;
  /** Who recognises speech, in order of preference. */
  readonly speech: readonly SpeechProviderId[];
  readonly deepgram: SpeechAccount | undefined;
  readonly assemblyai: SpeechAccount | undefined;
  /** Folder of a model for sherpa-onnx. */
  readonly sherpaModel: string | undefined;
  readonly opus: "auto" | "libopus" | "opusscript";
  readonly microphoneWithoutGlasses: boolean;
  /** Whether the dashboard shows something while no dashboard app runs. */
  readonly builtInDashboard: boolean;
  /** Whether pictures go to their app through this server. auto: where the app's address is a local one. */
  readonly photoRelay: "auto" | "always" | "never";
  /** The addresses that webhooks and pictures may go to. */
  readonly targets: "public" | "private" | "all";
  /** Who may read `/metrics`: everybody, whoever has the admin token, or nobody. */
  readonly metrics: "open" | "admin" | "off";
  /** Whether the server waits for the one before it on the same data folder, and shares its ports for a moment. */
  readonly handover: boolean;
  readonly limits: Limits;
}

type Parsed<Value> = { readonly value: Value } | { readonly problem: string };

interface Setting<Value> {
  readonly name: string;
  /** What holds when the variable is absent or empty, as it would be written in the environment. */
  readonly fallback: string;
  readonly doc: string;
  readonly parse: (text: string) => Parsed<Value>;
}

/** Its value is not to be repeated in messages. */
function isSecret(name: string): boolean {
  return /SECRET$|TOKEN$|TOKEN_URL$|DEEPGRAM_KEY$|ASSEMBLYAI_KEY$/.test(name);
}

function setting<Value>(
  name: string,
  fallback: string,
  doc: string,
  parse: (text: string) => Parsed<Value>,
): Setting<Value> {
  return { name: `BROWLINE_${name}`, fallback, doc, parse };
}

function text(value: string): Parsed<string> {
  return { value };
}

function optional(value: string): Parsed<string | undefined> {
  return { value: value === "" ? undefined : value };
}

function whole(min: number, max: number): (text: string) => Parsed<number> {
  return (text) => {
    const value = /^\d+$/.test(text) ? Number(text) : Number.NaN;
    return value >= min && value <= max ? { value } : { problem: `a whole number from ${min} to ${max}` };
  };
}

function oneOf<const Value extends string>(...values: Value[]): (text: string) => Parsed<Value> {
  return (text) => {
    const value = values.find((candidate) => candidate === text);
    return value === undefined ? { problem: `one of ${values.join(", ")}` } : { value };
  };
}

function flag(value: string): Parsed<boolean> {
  return value === "true" || value === "false" ? { value: value === "true" } : { problem: "true or false" };
}

function url(value: string): Parsed<string | undefined> {
  if (value === "") return { value: undefined };
  const parsed = URL.canParse(value) ? new URL(value) : undefined;
  // What follows the path would stand in the middle of the addresses that are made of this one.
  return parsed && /^https?:$/.test(parsed.protocol) && !/[?#]/.test(value)
    ? { value: value.replace(/\/+$/, "") }
    : { problem: "an http:// or https:// address without query and fragment" };
}

/** An IPv6 address may come in the brackets that it has in a URL. */
function host(value: string): Parsed<string> {
  return { value: value.replace(/^\[(.*)\]$/, "$1") };
}

function socketUrl(...schemes: string[]): (text: string) => Parsed<string | undefined> {
  return (value) => {
    if (value === "") return { value: undefined };
    const scheme = URL.canParse(value) ? new URL(value).protocol : "";
    return schemes.includes(`${scheme}//`) && !/[?#]/.test(value)
      ? { value: value.replace(/\/+$/, "") }
      : { problem: `a ${schemes.join(" or ")} address without query and fragment` };
  };
}

/** Sent in a header: anything but visible characters would break it. */
function key(value: string): Parsed<string | undefined> {
  return /^[!-~]*$/.test(value) ? optional(value) : { problem: "a key without spaces" };
}

function providers(value: string): Parsed<SpeechProviderId[] | undefined> {
  if (value === "") return { value: undefined };
  const named = value.split(",").map((name) => name.trim());
  const known = speechProviderIds.filter((id) => named.includes(id));
  return known.length === named.length
    ? { value: known.sort((a, b) => named.indexOf(a) - named.indexOf(b)) }
    : { problem: `a list of ${speechProviderIds.join(", ")}, each once` };
}

/** An address that may have a query, which may hold what proves who asks. */
function service(value: string): Parsed<string | undefined> {
  if (value === "") return { value: undefined };
  return /^https?:/.test(value) && URL.canParse(value)
    ? { value }
    : { problem: "an http:// or https:// address" };
}

/** At least 16 characters: HS256 with a guessable secret is no protection. */
function secret(value: string): Parsed<string | undefined> {
  if (value === "") return { value: undefined };
  return value.length >= 16 ? { value } : { problem: "at least 16 characters" };
}

/** A secret that fits into an `Authorization: Bearer` header. */
function bearer(value: string): Parsed<string | undefined> {
  return /\s/.test(value) ? { problem: "at least 16 characters without spaces" } : secret(value);
}

/** Every setting, in the order of the README's table. */
const settings = {
  host: setting("HOST", "0.0.0.0", "Address to listen on", host),
  port: setting("PORT", "8002", "Port of both sockets and of HTTP; 0 picks a free one", whole(0, 65_535)),
  livezPort: setting(
    "LIVEZ_PORT",
    "8003",
    "Port of the liveness thread; 0 picks a free one",
    whole(0, 65_535),
  ),
  publicUrl: setting("PUBLIC_URL", "", "Address under which apps and phones reach this server", url),
  tlsCert: setting("TLS_CERT", "", "PEM file of the TLS certificate chain; needs TLS_KEY as well", optional),
  tlsKey: setting("TLS_KEY", "", "PEM file of the TLS private key", optional),
  dataDir: setting("DATA_DIR", "data", "Folder of the database and the secrets", text),
  tokenSecret: setting(
    "TOKEN_SECRET",
    "",
    "Secret of core tokens; else made on first run and kept in the data folder",
    secret,
  ),
  adminToken: setting(
    "ADMIN_TOKEN",
    "",
    "Token of the admin API; else made on first run and kept in the data folder",
    bearer,
  ),
  logLevel: setting(
    "LOG_LEVEL",
    "info",
    "Least level that is logged",
    oneOf("trace", "debug", "info", "warn", "error", "fatal", "silent"),
  ),
  logFormat: setting(
    "LOG_FORMAT",
    "auto",
    "auto is coloured text on a terminal, else JSON",
    oneOf("auto", "json", "pretty"),
  ),
  audioWorkers: setting(
    "AUDIO_WORKERS",
    "0",
    "Audio worker threads; 0 is one fewer than there are cores, at least one",
    whole(0, 64),
  ),
  recogniser: setting(
    "RECOGNISER",
    "auto",
    "The embedded recogniser: auto uses it when it is installed",
    oneOf("auto", "off"),
  ),
  recogniserModel: setting(
    "RECOGNISER_MODEL",
    "/usr/share/pocketsphinx/model/en-us",
    "Folder of the recogniser's model",
    text,
  ),
  speech: setting(
    "SPEECH",
    "",
    "Speech providers in order, such as deepgram,assemblyai,pocketsphinx; else those with a key, then the offline ones",
    providers,
  ),
  deepgramKey: setting("DEEPGRAM_KEY", "", "API key of Deepgram", key),
  deepgramTokenUrl: setting(
    "DEEPGRAM_TOKEN_URL",
    "",
    "Address that gives a temporary token for each connection to Deepgram, instead of a key",
    service,
  ),
  deepgramUrl: setting(
    "DEEPGRAM_URL",
    "",
    "Address of a Deepgram of your own, which may need no key",
    socketUrl("ws://", "wss://"),
  ),
  deepgramModel: setting("DEEPGRAM_MODEL", "nova-3", "Deepgram's model: a Nova or a Flux one", text),
  deepgramConcurrency: setting(
    "DEEPGRAM_CONCURRENCY",
    "100",
    "Connections to Deepgram at one time",
    whole(1, 100_000),
  ),
  assemblyaiKey: setting("ASSEMBLYAI_KEY", "", "API key of AssemblyAI", key),
  assemblyaiTokenUrl: setting(
    "ASSEMBLYAI_TOKEN_URL",
    "",
    "Address that gives a temporary token for each connection to AssemblyAI, instead of a key",
    service,
  ),
  assemblyaiUrl: setting(
    "ASSEMBLYAI_URL",
    "",
    "Another address of AssemblyAI's streaming, with its path",
    socketUrl("wss://"),
  ),
  assemblyaiConcurrency: setting(
    "ASSEMBLYAI_CONCURRENCY",
    "100",
    "Connections to AssemblyAI at one time",
    whole(1, 100_000),
  ),
  assemblyaiOpens: setting(
    "ASSEMBLYAI_OPENS",
    "100",
    "New connections to AssemblyAI a minute: what a paid account begins with",
    whole(1, 100_000),
  ),
  sherpaModel: setting("SHERPA_MODEL", "", "Folder of a streaming model for sherpa-onnx", optional),
  decoders: setting("DECODERS", "4", "Utterances that the recogniser decodes at one time", whole(1, 32)),
  opus: setting(
    "OPUS",
    "auto",
    "Opus decoder: auto prefers libopus where it is installed",
    oneOf("auto", "libopus", "opusscript"),
  ),
  microphoneWithoutGlasses: setting(
    "MIC_WITHOUT_GLASSES",
    "false",
    "Keep the microphone on when a phone reports its glasses gone",
    flag,
  ),
  builtInDashboard: setting(
    "BUILT_IN_DASHBOARD",
    "true",
    "Clock, battery, next event and last notification where no dashboard app runs",
    flag,
  ),
  photoRelay: setting(
    "PHOTO_RELAY",
    "auto",
    "Pictures go through this server to their app: auto does so where the app's address is local",
    oneOf("auto", "always", "never"),
  ),
  targets: setting(
    "TARGETS",
    "private",
    "Where webhooks and pictures may go: public addresses, private and loopback ones too, or all",
    oneOf("public", "private", "all"),
  ),
  metrics: setting(
    "METRICS",
    "open",
    "Who may read /metrics: anybody (open), whoever has the admin token (admin), or nobody (off)",
    oneOf("open", "admin", "off"),
  ),
  handover: setting(
    "HANDOVER",
    "false",
    "Start while the former server still runs on this data folder, and take over as soon as that one has ended its work",
    flag,
  ),
  maxSessions: setting(
    "MAX_SESSIONS",
    String(limits.maxSessions),
    "User sessions at one time; one more is refused with 503",
    whole(1, 100_000),
  ),
  sessionGraceMs: setting(
    "SESSION_GRACE_MS",
    String(limits.sessionGraceMs),
    "How long a session waits for its glasses to return",
    whole(1_000, 600_000),
  ),
  displayIntervalMs: setting(
    "DISPLAY_INTERVAL_MS",
    String(limits.displayIntervalMs),
    "Least time between two displays",
    whole(200, 5_000),
  ),
} as const;

/** Settings as the README prints them. */
export const settingsTable: readonly { name: string; fallback: string; doc: string }[] = Object.values(
  settings,
).map(({ name, fallback, doc }) => ({ name, fallback, doc }));

type ValueOf<S> = S extends Setting<infer Value> ? Value : never;
type Values = { [Name in keyof typeof settings]: ValueOf<(typeof settings)[Name]> };

/** All that is wrong with the environment, a line each: the variable, what it holds, and what it may hold. */
export class ConfigError extends Error {
  constructor(problems: readonly string[]) {
    super(problems.join("\n"));
    this.name = "ConfigError";
  }
}

/**
 * Reads the settings from an environment.
 * @throws ConfigError naming every unknown or invalid variable, not just the first.
 */
export function loadConfig(env: Readonly<Record<string, string | undefined>>): Config {
  const problems: string[] = [];
  const known = new Set<string>(settingsTable.map(({ name }) => name));
  for (const name of Object.keys(env)) {
    if (name.startsWith("BROWLINE_") && !known.has(name))
      problems.push(`${name} is not a setting of Browline`);
  }
  const values: Record<string, unknown> = {};
  for (const [key, { name, fallback, parse }] of Object.entries(settings)) {
    const given = env[name] || fallback;
    const parsed = parse(given);
    if ("value" in parsed) values[key] = parsed.value;
    else problems.push(`${name} is "${isSecret(name) ? "..." : given}", but takes ${parsed.problem}`);
  }
  const v = values as Values;
  if ((v.tlsCert === undefined) !== (v.tlsKey === undefined)) {
    problems.push("BROWLINE_TLS_CERT and BROWLINE_TLS_KEY are only of use together");
  }
  const deepgram = (v.deepgramKey ?? v.deepgramTokenUrl ?? v.deepgramUrl) !== undefined && {
    key: v.deepgramKey,
    tokenUrl: v.deepgramTokenUrl,
    url: v.deepgramUrl,
    model: v.deepgramModel,
    concurrency: v.deepgramConcurrency,
    opensPerMinute: deepgramOpensPerMinute,
  };
  const assemblyai = (v.assemblyaiKey ?? v.assemblyaiTokenUrl) !== undefined && {
    key: v.assemblyaiKey,
    tokenUrl: v.assemblyaiTokenUrl,
    url: v.assemblyaiUrl,
    model: undefined,
    concurrency: v.assemblyaiConcurrency,
    opensPerMinute: v.assemblyaiOpens,
  };
  const able: Record<SpeechProviderId, unknown> = {
    deepgram,
    assemblyai,
    sherpa: v.sherpaModel,
    pocketsphinx: v.recogniser === "auto",
  };
  const remedies: Record<SpeechProviderId, string> = {
    deepgram: "BROWLINE_DEEPGRAM_KEY, BROWLINE_DEEPGRAM_TOKEN_URL or BROWLINE_DEEPGRAM_URL",
    assemblyai: "BROWLINE_ASSEMBLYAI_KEY or BROWLINE_ASSEMBLYAI_TOKEN_URL",
    sherpa: "BROWLINE_SHERPA_MODEL",
    pocketsphinx: "BROWLINE_RECOGNISER to be auto",
  };
  for (const id of v.speech ?? []) {
    if (!able[id]) problems.push(`BROWLINE_SPEECH names ${id}, which needs ${remedies[id]}`);
  }
  const speech = v.speech ?? speechProviderIds.filter((id) => able[id]);
  const isCloud = speech.includes("deepgram") || speech.includes("assemblyai");
  if (v.port !== 0 && v.port === v.livezPort) {
    problems.push("BROWLINE_PORT and BROWLINE_LIVEZ_PORT cannot be the same");
  }
  if (problems.length > 0) throw new ConfigError(problems);
  return {
    host: v.host,
    port: v.port,
    livezPort: v.livezPort,
    publicUrl: v.publicUrl,
    tls: v.tlsCert && v.tlsKey ? { certFile: v.tlsCert, keyFile: v.tlsKey } : undefined,
    dataDir: resolve(v.dataDir),
    tokenSecret: v.tokenSecret,
    adminToken: v.adminToken,
    logLevel: v.logLevel,
    logFormat: v.logFormat,
    audioWorkers: v.audioWorkers || Math.max(1, availableParallelism() - 1),
    recogniser: speech.includes("pocketsphinx") ? v.recogniser : "off",
    recogniserModel: v.recogniserModel,
    decoders: v.decoders,
    speech,
    deepgram: deepgram !== false && speech.includes("deepgram") ? deepgram : undefined,
    assemblyai: assemblyai !== false && speech.includes("assemblyai") ? assemblyai : undefined,
    sherpaModel: v.sherpaModel,
    opus: v.opus,
    microphoneWithoutGlasses: v.microphoneWithoutGlasses,
    builtInDashboard: v.builtInDashboard,
    photoRelay: v.photoRelay,
    targets: v.targets,
    metrics: v.metrics,
    handover: v.handover,
    limits: {
      ...limits,
      recentAudioMs: isCloud ? limits.cloudRecentAudioMs : limits.recentAudioMs,
      maxSessions: v.maxSessions,
      sessionGraceMs: v.sessionGraceMs,
      displayIntervalMs: v.displayIntervalMs,
    },
  };
}
