import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { quiet, type Recording } from "./speech-fixtures.ts";

/**
 * A streaming transducer of a few hundred bytes, of the kind that sherpa runs: every noise after a silence is a word, and
 * the words are "one", "two", "three" in turn. So the whole way through the native code can be shown without a real model.
 */

/** Mean of the spectrum (natural logarithm) between that of a quiet room and that of a voice. */
const loudness = -6;
const vocabulary = ["<blk>", "\u2581ONE", "\u2581TWO", "\u2581THREE"];
const types = { float: 1, int64: 7 } as const;
const samplesPerMs = 16;

/** Writes the model's files into a folder. */
export function writeTinyTransducer(folder: string): void {
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, "encoder.onnx"), encoder());
  writeFileSync(join(folder, "decoder.onnx"), decoder());
  writeFileSync(join(folder, "joiner.onnx"), joiner());
  writeFileSync(join(folder, "tokens.txt"), vocabulary.map((token, id) => `${token} ${id}\n`).join(""));
}

/** What the tiny model takes for words: `count` noises of 120 ms with 200 ms of quiet behind each. */
export function tinyWords(count: number): Recording {
  const step = 320 * samplesPerMs;
  const pcm = new Int16Array(count * step);
  for (let word = 0; word < count; word++) {
    pcm.set(quiet(320), word * step);
    const noise = quiet(120, word + 2);
    const peak = Math.max(1, ...noise.map(Math.abs));
    pcm.set(
      noise.map((sample) => (sample * 20_000) / peak),
      word * step,
    );
  }
  const spoken = ["one", "two", "three"];
  const text = Array.from({ length: count }, (_, word) => spoken[word % 3]).join(" ");
  return { name: text, text, pcm };
}

/** 1 where a noise begins, from frames of 80 numbers; its state is whether there was noise before. */
function encoder(): Uint8Array {
  return model(
    [
      node("ReduceMean", ["x"], ["mean"], ints("axes", [1, 2]), int("keepdims", 1)),
      node("Greater", ["mean", "loudness"], ["isLoud"]),
      node("Cast", ["isLoud"], ["loud"], int("to", types.float)),
      node("Transpose", ["h"], ["before"], ints("perm", [1, 0, 2])),
      node("Sub", ["loud", "before"], ["change"]),
      node("Relu", ["change"], ["encoder_out"]),
      node("Transpose", ["loud"], ["next_h"], ints("perm", [1, 0, 2])),
      node("Identity", ["c"], ["next_c"]),
    ],
    [tensor("loudness", [1], [loudness])],
    [
      value("x", types.float, ["N", 4, 80]),
      value("h", types.float, [1, "N", 1]),
      value("c", types.float, [1, "N", 1]),
    ],
    [
      value("encoder_out", types.float, ["N", 1, 1]),
      value("next_h", types.float, [1, "N", 1]),
      value("next_c", types.float, [1, "N", 1]),
    ],
    {
      model_type: "lstm",
      num_encoder_layers: 1,
      // Frames of 10 ms a step; one in four comes out.
      T: 4,
      decode_chunk_len: 4,
      rnn_hidden_size: 1,
      d_model: 1,
    },
  );
}

/** The word that follows the last one. */
function decoder(): Uint8Array {
  const next = [0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 1, 0, 0];
  return model(
    [
      node("Gather", ["next", "y"], ["rows"], int("axis", 0)),
      node("Squeeze", ["rows"], ["decoder_out"], ints("axes", [1])),
    ],
    [tensor("next", [4, 4], next)],
    [value("y", types.int64, ["N", 1])],
    [value("decoder_out", types.float, ["N", 4])],
    { vocab_size: vocabulary.length, context_size: 1 },
  );
}

/** The next word where a noise begins, and nothing otherwise. */
function joiner(): Uint8Array {
  return model(
    [
      node("Mul", ["encoder_out", "decoder_out"], ["word"]),
      node("Mul", ["word", "weight"], ["weighed"]),
      node("Add", ["weighed", "nothing"], ["logit"]),
    ],
    [tensor("weight", [1], [10]), tensor("nothing", [4], [5, 0, 0, 0])],
    [value("encoder_out", types.float, ["N", 1]), value("decoder_out", types.float, ["N", 4])],
    [value("logit", types.float, ["N", 4])],
    { joiner_dim: 1 },
  );
}

/** A file in the ONNX format (protocol buffers), of operator set 11. */
function model(
  nodes: readonly Uint8Array[],
  tensors: readonly Uint8Array[],
  inputs: readonly Uint8Array[],
  outputs: readonly Uint8Array[],
  metadata: Readonly<Record<string, string | number>>,
): Uint8Array {
  const graph = [
    ...nodes.map((each) => bytes(1, each)),
    text(2, "graph"),
    ...tensors.map((each) => bytes(5, each)),
    ...inputs.map((each) => bytes(11, each)),
    ...outputs.map((each) => bytes(12, each)),
  ];
  const notes = Object.entries(metadata).map(([key, note]) => bytes(14, text(1, key), text(2, String(note))));
  return Buffer.concat([number(1, 6), bytes(7, ...graph), bytes(8, text(1, ""), number(2, 11)), ...notes]);
}

function node(
  type: string,
  inputs: readonly string[],
  outputs: readonly string[],
  ...attributes: Uint8Array[]
) {
  return Buffer.concat([
    ...inputs.map((name) => text(1, name)),
    ...outputs.map((name) => text(2, name)),
    text(4, type),
    ...attributes.map((each) => bytes(5, each)),
  ]);
}

function int(name: string, integer: number): Uint8Array {
  return Buffer.concat([text(1, name), number(3, integer), number(20, 2)]);
}

function ints(name: string, integers: readonly number[]): Uint8Array {
  return Buffer.concat([text(1, name), ...integers.map((each) => number(8, each)), number(20, 7)]);
}

function tensor(name: string, shape: readonly number[], values: readonly number[]): Uint8Array {
  const floats = new Uint8Array(Float32Array.from(values).buffer);
  return Buffer.concat([
    ...shape.map((size) => number(1, size)),
    number(2, types.float),
    bytes(4, floats),
    text(8, name),
  ]);
}

function value(name: string, type: number, shape: readonly (number | string)[]): Uint8Array {
  const sizes = shape.map((size) => bytes(1, typeof size === "number" ? number(1, size) : text(2, size)));
  return Buffer.concat([text(1, name), bytes(2, bytes(1, number(1, type), bytes(2, ...sizes)))]);
}

function number(field: number, integer: number): Uint8Array {
  return Buffer.concat([varint(field << 3), varint(integer)]);
}

function text(field: number, characters: string): Uint8Array {
  return bytes(field, Buffer.from(characters));
}

function bytes(field: number, ...parts: readonly Uint8Array[]): Uint8Array {
  const content = Buffer.concat(parts);
  return Buffer.concat([varint((field << 3) | 2), varint(content.length), content]);
}

function varint(integer: number): Uint8Array {
  const groups: number[] = [];
  let rest = integer;
  for (; rest > 127; rest = Math.floor(rest / 128)) groups.push((rest % 128) | 128);
  return Uint8Array.from([...groups, rest]);
}
