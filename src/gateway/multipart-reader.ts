/** One part's heading. */
export interface PartHead {
  readonly name: string;
  /** Undefined for a plain field. */
  readonly filename: string | undefined;
  readonly mimeType: string | undefined;
}

/** Told of the parts of a multipart body in their order. A piece is a view of what was fed and stays valid. */
export interface PartListener {
  onHead(head: PartHead): void;
  onPiece(piece: Uint8Array): void;
}

type Phase = "preamble" | "head" | "body" | "epilogue";

const headMostBytes = 16 * 1024;
const mostParts = 64;
const blankLine = Buffer.from("\r\n\r\n");

/**
 * Reads a `multipart/form-data` body piece by piece, as it comes in. The runtime's own reader takes the whole body at
 * once and holds the thread for as long, which at 10 MB is many milliseconds in which no audio moves.
 */
export class MultipartReader {
  readonly #listener: PartListener;
  readonly #delimiter: Buffer;
  #phase: Phase = "preamble";
  /** What was fed and could not be judged yet: less than a delimiter, or an unfinished heading. */
  #rest: Buffer;
  #parts = 0;

  private constructor(boundary: string, listener: PartListener) {
    this.#delimiter = Buffer.from(`\r\n--${boundary}`);
    this.#listener = listener;
    // The first delimiter has no line before it.
    this.#rest = Buffer.from("\r\n");
  }

  /** A reader for a body of this content type; undefined if that is no multipart form or names no boundary. */
  static open(contentType: string, listener: PartListener): MultipartReader | undefined {
    const match = /^multipart\/form-data\b.*?;\s*boundary=(?:"([^"]{1,70})"|([^\s;"]{1,70}))/i.exec(
      contentType,
    );
    const boundary = match?.[1] ?? match?.[2];
    return boundary === undefined ? undefined : new MultipartReader(boundary, listener);
  }

  /** Whether the closing delimiter has come: a body without it was cut off. */
  get complete(): boolean {
    return this.#phase === "epilogue";
  }

  /** Takes the next bytes of the body. Returns false once it is no multipart body; then it is of no more use. */
  feed(bytes: Uint8Array): boolean {
    let data = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    if (this.#rest.length > 0) data = Buffer.concat([this.#rest, data]);
    this.#rest = Buffer.alloc(0);
    for (;;) {
      switch (this.#phase) {
        case "epilogue":
          return true;
        case "preamble":
        case "body": {
          const at = data.indexOf(this.#delimiter);
          const inBody = this.#phase === "body";
          // A delimiter may be cut in two by the pieces, so what could be the start of one is kept back.
          const sure = at >= 0 ? at : Math.max(0, data.length - (this.#delimiter.length - 1));
          if (inBody && sure > 0) this.#listener.onPiece(data.subarray(0, sure));
          if (at < 0) {
            this.#rest = Buffer.from(data.subarray(sure));
            return true;
          }
          data = data.subarray(at + this.#delimiter.length);
          this.#phase = "head";
          break;
        }
        case "head": {
          if (data.length >= 2 && data.toString("latin1", 0, 2) === "--") {
            this.#phase = "epilogue";
            return true;
          }
          const at = data.indexOf(blankLine);
          if (at < 0) {
            this.#rest = Buffer.from(data);
            return data.length <= headMostBytes;
          }
          const head = at > headMostBytes ? undefined : readHead(data.toString("utf8", 0, at));
          if (head === undefined || ++this.#parts > mostParts) return false;
          this.#listener.onHead(head);
          data = data.subarray(at + blankLine.length);
          this.#phase = "body";
          break;
        }
      }
    }
  }
}

function readHead(text: string): PartHead | undefined {
  const disposition = /^content-disposition:\s*form-data\b(.*)$/im.exec(text)?.[1];
  const name = disposition === undefined ? undefined : parameter(disposition, "name");
  if (disposition === undefined || name === undefined) return undefined;
  return {
    name,
    filename: parameter(disposition, "filename"),
    mimeType: /^content-type:\s*([^\s;]+)/im.exec(text)?.[1]?.toLowerCase(),
  };
}

function parameter(disposition: string, name: string): string | undefined {
  const match = new RegExp(`;\\s*${name}=(?:"([^"]*)"|([^\\s;]+))`, "i").exec(disposition);
  return match?.[1] ?? match?.[2];
}
