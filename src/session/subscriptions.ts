import type { SpeechWish } from "../audio/lanes.ts";
import type { DeniedStream } from "../wire/refusals.ts";
import {
  defaultLanguage,
  type Permission,
  parseStream,
  requiredPermission,
  type Stream,
  streamKey,
} from "../wire/streams.ts";
import { languageToPassOn } from "./translation-manager.ts";

/** One app's hearing of one event: the app, and the very string under which it wants the event. */
export interface Listener {
  readonly packageName: string;
  readonly literal: string;
}

/** What the apps of a session together want of its audio. */
export interface MediaDemand {
  readonly languages: readonly string[];
  /** The same languages with what the subscribers of each have said of it, united. */
  readonly speech: readonly SpeechWish[];
  readonly pcm: boolean;
  /** Whether somebody hears `VAD`. It alone is no reason to listen. */
  readonly voice: boolean;
}

/** The permissions an app's record lists, with old spellings understood. */
export function grantedPermissions(listed: readonly string[]): ReadonlySet<string> {
  return new Set(listed.map((name) => (name === "NOTIFICATIONS" ? "READ_NOTIFICATIONS" : name)));
}

/** Whether a set of granted permissions covers `permission`; undefined asks for nothing. */
export function isGranted(granted: ReadonlySet<string>, permission: Permission | undefined): boolean {
  return permission === undefined || granted.has(permission) || granted.has("ALL");
}

/** One entry of an app's `subscription_update`. */
export type RequestedStream = string | { readonly stream: string; readonly rate?: string };

/**
 * Reads the list of an app's `subscription_update`. What the app may not hear is left out and told; what is not
 * understood is kept, since it harms nobody. `overflow` counts what is beyond `most`.
 */
export function readSubscriptions(
  requested: readonly RequestedStream[],
  granted: ReadonlySet<string>,
  most: number,
): { streams: Stream[]; denied: DeniedStream[]; overflow: number } {
  const rates = new Map(
    requested
      .slice(0, most)
      .map((entry) => (typeof entry === "string" ? [entry, undefined] : [entry.stream, entry.rate])),
  );
  const streams: Stream[] = [];
  const denied: DeniedStream[] = [];
  for (const [literal, rate] of rates) {
    const parsed = parseStream(literal);
    const stream = parsed.kind === "plain" && rate !== undefined ? { ...parsed, rate } : parsed;
    const permission = requiredPermission(stream);
    if (permission !== undefined && !isGranted(granted, permission)) {
      const message = `${literal} needs the permission ${permission}, which this app has not been granted`;
      denied.push({ stream: literal, requiredPermission: permission, message });
    } else {
      streams.push(stream);
    }
  }
  return { streams, denied, overflow: Math.max(0, requested.length - most) };
}

interface Entry {
  readonly streams: readonly Stream[];
  readonly granted: ReadonlySet<string>;
}

/**
 * Who hears what in one session: every app's list, and the inverted index by which an event finds its listeners without
 * looking at apps that do not care. A change is complete when the call returns; nothing here waits.
 */
export class Subscriptions {
  readonly #apps = new Map<string, Entry>();
  readonly #index = new Map<string, Listener[]>();

  /** Replaces an app's whole list. */
  replace(packageName: string, streams: readonly Stream[], granted: ReadonlySet<string>): void {
    this.remove(packageName);
    this.#apps.set(packageName, { streams, granted });
    for (const stream of streams) {
      const key = streamKey(stream);
      if (key === undefined) continue;
      const listener: Listener = { packageName, literal: stream.literal };
      const listeners = this.#index.get(key);
      if (listeners) listeners.push(listener);
      else this.#index.set(key, [listener]);
    }
  }

  remove(packageName: string): void {
    const entry = this.#apps.get(packageName);
    if (entry === undefined) return;
    this.#apps.delete(packageName);
    for (const key of new Set(entry.streams.map(streamKey))) {
      if (key === undefined) continue;
      const others = this.#index.get(key)?.filter((listener) => listener.packageName !== packageName) ?? [];
      if (others.length > 0) this.#index.set(key, others);
      else this.#index.delete(key);
    }
  }

  /** The strings an app is subscribed with. */
  literalsOf(packageName: string): readonly string[] {
    return this.#apps.get(packageName)?.streams.map((stream) => stream.literal) ?? [];
  }

  /** Everything an app is subscribed to. */
  streamsOf(packageName: string): readonly Stream[] {
    return this.#apps.get(packageName)?.streams ?? [];
  }

  /** Everything that anybody is subscribed to, the phone included. */
  allStreams(): readonly Stream[] {
    return [...this.#apps.values()].flatMap(({ streams }) => streams);
  }

  /** Packages with a list, empty ones included. */
  packages(): Iterable<string> {
    return this.#apps.keys();
  }

  /** Everyone who hears an event of the stream `key`; those who subscribed to everything only where they may. */
  match(key: string): Listener[] {
    const direct = this.#index.get(key) ?? [];
    const wildcards = this.#index.get("*");
    if (wildcards === undefined) return direct;
    const stream = parseStream(key);
    if (isApart(stream)) return direct;
    const permission = requiredPermission(stream);
    const allowed = wildcards.filter(({ packageName }) => {
      const entry = this.#apps.get(packageName);
      return entry !== undefined && isGranted(entry.granted, permission);
    });
    return [...direct, ...allowed];
  }

  /** Languages and raw audio wanted. An app that subscribed to everything wants speech if it may use the microphone. */
  mediaDemand(): MediaDemand {
    const wishes: SpeechWish[] = [];
    let pcm = false;
    let voice = false;
    for (const { streams, granted } of this.#apps.values()) {
      for (const stream of streams) {
        if (stream.kind === "transcription") wishes.push(stream);
        else if (stream.kind === "translation") wishes.push(...wishesOfTranslation(stream));
        else if (stream.kind === "plain" && stream.name === "audio_chunk") pcm = true;
        else if (stream.kind === "plain" && stream.name === "VAD") voice = true;
        else if (stream.kind === "wildcard" && isGranted(granted, "MICROPHONE"))
          wishes.push({ language: defaultLanguage, hints: [], identifyLanguage: true });
      }
    }
    const speech = uniteWishes(wishes);
    return { languages: speech.map(({ language }) => language), speech, pcm, voice };
  }
}

/**
 * One wish a language out of many, so that subscribers who differ only in their options share one stream: all hints, and
 * no looking for other languages only if nobody wants it.
 */
export function uniteWishes(wishes: readonly SpeechWish[]): readonly SpeechWish[] {
  const united = new Map<string, SpeechWish>();
  for (const { language, hints, identifyLanguage, anyLanguage } of wishes) {
    const former = united.get(language);
    united.set(language, {
      language,
      hints: [...new Set([...(former?.hints ?? []), ...hints])].sort(),
      identifyLanguage: identifyLanguage || former?.identifyLanguage === true,
      ...((anyLanguage === true || former?.anyLanguage === true) && { anyLanguage: true }),
    });
  }
  return [...united.values()];
}

function wishesOfTranslation(stream: Extract<Stream, { kind: "translation" }>): SpeechWish[] {
  const language = languageToPassOn(stream);
  return language === undefined ? [] : [{ language, hints: [], identifyLanguage: true }];
}

/**
 * Whether a stream is left out of what hearing everything means: its events are published under another key as well, and
 * must not be heard twice; or it is raw audio, which the SDK hands to nobody who has not asked for just that; or nobody
 * here knows what it is, and so what hearing it would take.
 */
function isApart(stream: Stream): boolean {
  return (
    stream.kind === "touch" ||
    stream.kind === "unknown" ||
    stream.kind === "translation" ||
    (stream.kind === "plain" && plainApart.has(stream.name)) ||
    (stream.kind === "transcription" && stream.language === "auto")
  );
}

const plainApart: ReadonlySet<string> = new Set(["location_stream", "audio_chunk", "local_transcription"]);
