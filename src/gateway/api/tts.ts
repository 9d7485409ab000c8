import { type Static, Type } from "@sinclair/typebox";
import { TypeCompiler } from "@sinclair/typebox/compiler";
import { Elysia } from "elysia";
import { voices } from "../../audio/synthesis.ts";
import type { Limits } from "../../kernel/limits.ts";
import { rangeOf } from "../byte-range.ts";
import type { Phrase } from "../voice.ts";
import type { ApiParts } from "./api-parts.ts";
import { tooMany } from "./endpoints.ts";

/** Settings of a voice as the SDK writes them; those that the voice does not know are left alone. */
const voiceSettings = Type.Object({ speed: Type.Optional(Type.Number()) });

const settingsCheck = TypeCompiler.Compile(voiceSettings);

/** How much slower and faster than its own the voice can speak and be understood. */
const slowest = 0.5;
const fastest = 2;

const stringSchema = { type: "string" } as const;

/**
 * Text to speech. Whoever has the address may fetch it: it is the phone that does so, with nothing to show, when an app
 * lets it play what `session.audio.speak()` of the SDK has made.
 */
export function ttsApi(parts: Pick<ApiParts, "voice" | "limits" | "metrics" | "rates" | "peerOf">) {
  const { voice, limits } = parts;
  return new Elysia().get(
    "/api/tts",
    async ({ request }) => {
      const waitMs = parts.rates.take(`peer ${parts.peerOf(request)}`, limits.peerRequestsPerMinute);
      if (waitMs > 0) {
        const { status, body, headers } = tooMany(parts, waitMs);
        return Response.json(body, { status, ...(headers && { headers }) });
      }
      const phrase = readPhrase(new URL(request.url).searchParams, limits);
      if (phrase instanceof Response) return phrase;
      const spoken = await voice.speak(phrase, request.signal);
      switch (spoken.kind) {
        case "spoken":
          return soundAnswer(spoken.wav, request.headers.get("range"));
        case "refused":
          return refuse(400, "NOT_SPEAKABLE", spoken.detail);
        case "busy":
          return refuse(429, "TOO_MANY_REQUESTS", "Too many texts wait to be spoken", { "retry-after": "1" });
        case "failed":
          return refuse(503, "VOICE_FAILED", spoken.detail);
      }
    },
    {
      detail: {
        summary: "Speaks a text",
        description: "An embedded English voice; no account anywhere is needed.",
        tags: ["Speech"],
        security: [],
        parameters: [
          {
            name: "text",
            in: "query",
            required: true,
            schema: { ...stringSchema, minLength: 1, maxLength: limits.ttsTextChars },
          },
          {
            name: "voice_id",
            in: "query",
            description: "slt (a woman) or rms (a man); anything else means slt",
            schema: stringSchema,
          },
          { name: "model_id", in: "query", description: "Has no effect here", schema: stringSchema },
          {
            name: "voice_settings",
            in: "query",
            description: `JSON; speed from ${slowest} to ${fastest} counts`,
            schema: stringSchema,
          },
        ],
        responses: {
          200: {
            description: "16-bit mono WAV at 16 kHz",
            content: { "audio/wav": { schema: { ...stringSchema, format: "binary" } } },
          },
          206: { description: "The part of it that the header Range asked for" },
          400: describe("No text, nothing in it that can be spoken, or settings that cannot be read"),
          413: describe("The text is too long"),
          416: { description: "The header Range asked for what is not there" },
          429: describe("Too many texts wait to be spoken, or too many requests came from one address"),
          503: describe("The voice has failed"),
        },
      },
    },
  );
}

function describe(description: string) {
  const properties = { success: { type: "boolean" as const }, error: stringSchema, message: stringSchema };
  return {
    description,
    content: { "application/json": { schema: { type: "object" as const, properties } } },
  };
}

function readPhrase(query: URLSearchParams, limits: Limits): Phrase | Response {
  const text = query.get("text") ?? "";
  if (text.trim() === "") return refuse(400, "NO_TEXT", "text is required");
  if (text.length > limits.ttsTextChars) {
    return refuse(413, "TEXT_TOO_LONG", `text may have ${limits.ttsTextChars} characters`);
  }
  const settings = readSettings(query.get("voice_settings"));
  if (settings === undefined) {
    return refuse(400, "BAD_VOICE_SETTINGS", "voice_settings must be JSON with a number speed, if any");
  }
  // Apps written for other servers ask for voices that nobody has here.
  const voice = voices.find((name) => name === query.get("voice_id")) ?? "slt";
  const speed = Math.min(fastest, Math.max(slowest, settings.speed ?? 1));
  return { text, voice, speed };
}

function readSettings(json: string | null): Static<typeof voiceSettings> | undefined {
  if (!json) return {};
  try {
    const settings: unknown = JSON.parse(json);
    return settingsCheck.Check(settings) ? settings : undefined;
  } catch {
    return undefined;
  }
}

/** Some players fetch a sound in parts and play nothing from a server that sends it whole. */
function soundAnswer(wav: Uint8Array<ArrayBuffer>, wanted: string | null): Response {
  const headers = { "content-type": "audio/wav", "accept-ranges": "bytes", "cache-control": "max-age=3600" };
  const range = rangeOf(wanted, wav.byteLength);
  if (range === "whole") return new Response(wav, { headers });
  if (range === "none") {
    return new Response(null, { status: 416, headers: { "content-range": `bytes */${wav.byteLength}` } });
  }
  const { first, last } = range;
  const contentRange = `bytes ${first}-${last}/${wav.byteLength}`;
  return new Response(wav.subarray(first, last + 1), {
    status: 206,
    headers: { ...headers, "content-range": contentRange },
  });
}

function refuse(
  status: number,
  error: string,
  message: string,
  headers: Record<string, string> = {},
): Response {
  return Response.json({ success: false, error, message }, { status, headers });
}
