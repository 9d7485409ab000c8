import { Value } from "@sinclair/typebox/value";
import { type AudioFormat, audioConfigureSchema, requestedFormat } from "../wire/audio-format.ts";

/** Answer to `POST /api/client/audio/configure`, and the format it settles on if it accepts. */
export interface AudioConfigureAnswer {
  readonly status: 200 | 400 | 501;
  readonly format: AudioFormat | undefined;
  readonly body: Readonly<Record<string, unknown>>;
}

/**
 * Reads a phone's request for an audio format.
 * @param codecs that this server can decode.
 * @param timestamp for the answer, ISO 8601.
 */
export function answerAudioConfigure(
  request: unknown,
  codecs: readonly string[],
  timestamp: string,
): AudioConfigureAnswer {
  const format = Value.Check(audioConfigureSchema, request) ? requestedFormat(request) : undefined;
  if (format === undefined) {
    const message = 'Invalid format. Must be "pcm", "lc3" or "opus"';
    return { status: 400, format, body: { success: false, message, timestamp } };
  }
  if (!codecs.includes(format.codec)) {
    const message = `This server has no decoder for ${format.codec}`;
    return { status: 501, format: undefined, body: { success: false, message, timestamp } };
  }
  return {
    status: 200,
    format,
    body: {
      success: true,
      format: format.codec,
      lc3Config:
        format.codec === "lc3"
          ? { sampleRate: 16000, frameDurationMs: 10, frameSizeBytes: format.frameBytes }
          : null,
      message: "Audio format configured successfully",
      timestamp,
    },
  };
}
