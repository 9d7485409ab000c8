import { type Static, Type } from "@sinclair/typebox";

/**
 * How a user's glasses encode audio; always mono at 16 kHz.
 * - `pcm`: signed 16-bit little-endian samples, frames of any length.
 * - `lc3`: whole 10 ms frames of `frameBytes` back to back.
 * - `opus`: one packet of 2.5 to 60 ms a frame.
 */
export type AudioFormat =
  | { readonly codec: "pcm" }
  | { readonly codec: "lc3"; readonly frameBytes: 20 | 40 | 60 }
  | { readonly codec: "opus" };

export const defaultAudioFormat: AudioFormat = { codec: "pcm" };

/** Body of `POST /api/client/audio/configure`. `opus` is an addition of ours to what MentraOS phones send. */
export const audioConfigureSchema = Type.Object({
  format: Type.String(),
  lc3Config: Type.Optional(
    Type.Union([Type.Null(), Type.Object({ frameSizeBytes: Type.Optional(Type.Unknown()) })]),
  ),
});

/** The format that a request asks for, or undefined when it names no known codec. Odd LC3 frame sizes mean 20. */
export function requestedFormat(request: Static<typeof audioConfigureSchema>): AudioFormat | undefined {
  switch (request.format) {
    case "pcm":
    case "opus":
      return { codec: request.format };
    case "lc3": {
      const size = request.lc3Config?.frameSizeBytes;
      return { codec: "lc3", frameBytes: size === 40 || size === 60 ? size : 20 };
    }
    default:
      return undefined;
  }
}
