import { Type } from "@sinclair/typebox";
import { TypeCompiler } from "@sinclair/typebox/compiler";
import type { PhotoNews } from "../session/ports.ts";
import { photoFailure } from "../wire/photo-response.ts";
import { bodyPieces, TooManyChunks } from "./body-pieces.ts";
import { imageType } from "./image-type.ts";
import { MultipartReader, type PartHead } from "./multipart-reader.ts";

/** A refused upload: what the uploader is told. */
export interface UploadProblem {
  readonly status: 400 | 408 | 413 | 415;
  readonly code: string;
  readonly message: string;
}

/** What an upload says: its fields, and what its bytes amount to. */
export interface PhotoUpload {
  readonly fields: ReadonlyMap<string, string>;
  readonly news: Exclude<PhotoNews, { kind: "uploaded" }> | undefined;
}

/** Fields of an upload beside the picture, all together. */
const fieldBytes = 64 * 1024;
/** Bytes by which a picture's type is told. */
const startBytes = 12;

const photoError = TypeCompiler.Compile(
  Type.Object({
    type: Type.Literal("photo_error"),
    errorCode: Type.Optional(Type.String()),
    errorMessage: Type.Optional(Type.String()),
  }),
);

/**
 * Reads an upload of a picture, or of the word that there is none, piece by piece.
 * @param mostBytes of the picture.
 * @param signal that calls the reading off.
 */
export async function readPhotoUpload(
  request: Request,
  mostBytes: number,
  signal: AbortSignal,
): Promise<PhotoUpload | UploadProblem> {
  try {
    return await readUpload(request, mostBytes, signal);
  } catch (error) {
    if (error instanceof TooManyChunks) return problem(400, "TOO_MANY_CHUNKS", error.message);
    throw error;
  }
}

async function readUpload(
  request: Request,
  mostBytes: number,
  signal: AbortSignal,
): Promise<PhotoUpload | UploadProblem> {
  if (Number(request.headers.get("content-length") ?? 0) > mostBytes + fieldBytes) return tooLarge(mostBytes);
  const contentType = request.headers.get("content-type") ?? "";
  if (/^application\/json\b/i.test(contentType)) return readError(request, signal);
  const form = new UploadedForm(mostBytes);
  const reader = MultipartReader.open(contentType, form);
  if (reader === undefined) {
    return problem(
      415,
      "UNSUPPORTED_MEDIA_TYPE",
      "Send multipart/form-data, or application/json for an error",
    );
  }
  for await (const bytes of bodyPieces(request, signal)) {
    if (!reader.feed(bytes)) return problem(400, "MALFORMED_BODY", "This is no multipart form");
    if (form.problem !== undefined) return form.problem;
  }
  if (signal.aborted) return tooLate();
  if (!reader.complete) return problem(400, "MALFORMED_BODY", "The form was cut off");
  return form.result();
}

/** Collects the parts of an upload. */
class UploadedForm {
  readonly #mostBytes: number;
  readonly #fields = new Map<string, Uint8Array[]>();
  readonly #pieces: Uint8Array[] = [];
  #part: PartHead | undefined;
  #pictureBytes = 0;
  #fieldBytes = 0;
  #hasFile = false;
  problem: UploadProblem | undefined;

  constructor(mostBytes: number) {
    this.#mostBytes = mostBytes;
  }

  onHead(head: PartHead): void {
    this.#part = head;
    if (!isPicture(head)) return;
    if (this.#hasFile) this.problem ??= problem(400, "MALFORMED_BODY", "Send one picture at a time");
    this.#hasFile = true;
    const type = head.mimeType;
    if (type !== undefined && !type.startsWith("image/") && type !== "application/octet-stream") {
      this.problem ??= notAPicture();
    }
  }

  onPiece(piece: Uint8Array): void {
    if (this.#part === undefined) return;
    if (isPicture(this.#part)) {
      this.#pictureBytes += piece.byteLength;
      if (this.#pictureBytes > this.#mostBytes) this.problem ??= tooLarge(this.#mostBytes);
      else this.#pieces.push(piece);
      return;
    }
    const { name } = this.#part;
    this.#fieldBytes += piece.byteLength + name.length;
    if (this.#fieldBytes > fieldBytes) this.problem ??= problem(413, "TOO_LARGE", "The fields are too large");
    else this.#fields.set(name, [...(this.#fields.get(name) ?? []), piece]);
  }

  result(): PhotoUpload | UploadProblem {
    const fields = new Map(
      [...this.#fields].map(([name, pieces]) => [name, Buffer.concat(pieces).toString("utf8")]),
    );
    // As text, `success` may say anything: only the type tells an error apart.
    if (fields.get("type") === "photo_error") {
      const failure = photoFailure(fields.get("errorCode"), fields.get("errorMessage"));
      return { fields, news: { kind: "failure", failure } };
    }
    if (!this.#hasFile) return { fields, news: undefined };
    const start = Buffer.concat(
      this.#pieces.slice(0, startBytes).map((piece) => piece.subarray(0, startBytes)),
    );
    const mimeType = imageType(start);
    if (mimeType === undefined) return notAPicture();
    return { fields, news: { kind: "picture", picture: { pieces: this.#pieces, mimeType } } };
  }
}

/** Glasses and phones call it `photo`, the oldest of them `file`. */
function isPicture({ name, filename, mimeType }: PartHead): boolean {
  return (name === "photo" || name === "file") && (filename !== undefined || mimeType !== undefined);
}

async function readError(request: Request, signal: AbortSignal): Promise<PhotoUpload | UploadProblem> {
  const decoder = new TextDecoder();
  let text = "";
  for await (const bytes of bodyPieces(request, signal)) {
    text += decoder.decode(bytes, { stream: true });
    if (text.length > fieldBytes) return problem(413, "TOO_LARGE", "The body is too large");
  }
  if (signal.aborted) return tooLate();
  let body: unknown;
  try {
    body = JSON.parse(text);
  } catch {
    return problem(400, "MALFORMED_BODY", "This is no JSON");
  }
  if (!photoError.Check(body)) return problem(400, "MALFORMED_BODY", "As JSON, only a photo_error is taken");
  const failure = photoFailure(body.errorCode, body.errorMessage);
  return { fields: new Map(), news: { kind: "failure", failure } };
}

function tooLarge(mostBytes: number): UploadProblem {
  return problem(413, "PHOTO_TOO_LARGE", `A picture may have ${mostBytes / (1024 * 1024)} MB at most`);
}

function tooLate(): UploadProblem {
  return problem(408, "TOO_LATE", "The upload is not waited for any more");
}

function notAPicture(): UploadProblem {
  return problem(415, "NOT_A_PICTURE", "This is no picture: JPEG, PNG, GIF, WebP, HEIF and AVIF are taken");
}

function problem(status: UploadProblem["status"], code: string, message: string): UploadProblem {
  return { status, code, message };
}
