/** The part of `sherpa-onnx-node` that recognises speech while it is spoken. The package has no types of its own. */
declare module "sherpa-onnx-node" {
  export interface OnlineRecognizerConfig {
    readonly featConfig: { readonly sampleRate: number; readonly featureDim: number };
    readonly modelConfig: {
      readonly transducer: { readonly encoder: string; readonly decoder: string; readonly joiner: string };
      readonly tokens: string;
      readonly numThreads: number;
      readonly provider: "cpu";
      readonly debug: 0 | 1;
    };
    readonly decodingMethod: "greedy_search" | "modified_beam_search";
    readonly enableEndpoint: 0 | 1;
    /** Seconds of silence after which an utterance without a word, and one with words, ends. */
    readonly rule1MinTrailingSilence: number;
    readonly rule2MinTrailingSilence: number;
    /** Seconds after which any utterance ends. */
    readonly rule3MinUtteranceLength: number;
  }

  export interface OnlineResult {
    readonly text: string;
    readonly tokens: readonly string[];
    /** Seconds since the stream began, one a token. */
    readonly timestamps: readonly number[];
    /** Logarithms of probabilities, one a token, where the model gives them. */
    readonly ys_probs?: readonly number[];
  }

  export class OnlineStream {
    /** Samples between -1 and 1. */
    acceptWaveform(wave: { readonly samples: Float32Array; readonly sampleRate: number }): void;
    inputFinished(): void;
  }

  /** A file that is no model ends the whole process. */
  export class OnlineRecognizer {
    constructor(config: OnlineRecognizerConfig);
    createStream(): OnlineStream;
    isReady(stream: OnlineStream): boolean;
    decode(stream: OnlineStream): void;
    isEndpoint(stream: OnlineStream): boolean;
    getResult(stream: OnlineStream): OnlineResult;
  }
}
