import type { AudioFormat } from "../src/wire/audio-format.ts";

/** What the demo's glasses say, and how they encode it. Only the demo knows it: the server has to hear it. */
export const demoScript: readonly { readonly format: AudioFormat; readonly sentences: readonly string[] }[] =
  [
    {
      format: { codec: "pcm" },
      sentences: [
        "take a photo please",
        "turn on the lights",
        "how are you today",
        "the weather is nice today",
        "read my messages",
      ],
    },
    {
      format: { codec: "opus" },
      sentences: [
        "what is the weather like today",
        "remember to buy milk and bread",
        "where is the train station",
        "hello world",
      ],
    },
    {
      format: { codec: "lc3", frameBytes: 40 },
      sentences: [
        "play some music",
        "turn left at the next street",
        "take a picture of this",
        "can you hear me now",
      ],
    },
  ];
