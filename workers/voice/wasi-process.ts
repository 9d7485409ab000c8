/** What a call answers with, of the numbers that WASI gives to errors. */
const errno = { success: 0, badDescriptor: 8, noEntry: 44 } as const;

const fileType = { characterDevice: 2, directory: 3, regularFile: 4 } as const;
const rootDescriptor = 3;

/** Thrown through the program to end it. */
class Exit extends Error {
  readonly code: number;

  constructor(code: number) {
    super(`the program ended with exit code ${code}`);
    this.code = code;
  }
}

/** A file being written, in memory. */
interface OpenFile {
  bytes: Uint8Array<ArrayBuffer>;
  size: number;
  position: number;
}

/**
 * One run of a WASI program that has a single folder in memory and nothing else: no files of the machine, no network, no
 * environment. Only the calls that a program needs which reads its arguments and writes files.
 */
export class WasiProcess {
  readonly #args: readonly Uint8Array[];
  readonly #files = new Map<string, OpenFile>();
  readonly #descriptors = new Map<number, OpenFile>();
  #memory: WebAssembly.Memory | undefined;
  #messages = "";

  constructor(args: readonly string[]) {
    this.#args = args.map((arg) => new TextEncoder().encode(`${arg}\0`));
  }

  /**
   * Runs the program to its end.
   * @throws Error when it fails, with what it said about that.
   */
  run(program: WebAssembly.Module): void {
    const instance = new WebAssembly.Instance(program, { wasi_snapshot_preview1: this.#calls() });
    const { memory, _start } = instance.exports;
    if (!(memory instanceof WebAssembly.Memory) || typeof _start !== "function") {
      throw new Error("not a WASI program");
    }
    this.#memory = memory;
    try {
      _start();
    } catch (error) {
      if (!(error instanceof Exit)) throw error;
      if (error.code !== 0) throw new Error(`${error.message}: ${this.#messages.trim()}`);
    } finally {
      this.#memory = undefined;
    }
  }

  /** What the program wrote into a file of its folder; undefined if it made none of this name. */
  file(name: string): Uint8Array<ArrayBuffer> | undefined {
    const file = this.#files.get(name);
    return file?.bytes.slice(0, file.size);
  }

  /** The program may grow its memory, after which an old view is of no use. */
  get #view(): DataView {
    if (this.#memory === undefined) throw new Error("the program does not run");
    return new DataView(this.#memory.buffer);
  }

  #calls(): Bun.WebAssembly.ModuleImports {
    return {
      args_sizes_get: (countAt: number, bytesAt: number) => {
        this.#view.setUint32(countAt, this.#args.length, true);
        this.#view.setUint32(
          bytesAt,
          this.#args.reduce((sum, arg) => sum + arg.length, 0),
          true,
        );
        return errno.success;
      },
      args_get: (pointersAt: number, bytesAt: number) => {
        let at = bytesAt;
        for (const [i, arg] of this.#args.entries()) {
          this.#view.setUint32(pointersAt + 4 * i, at, true);
          this.#bytes(at, arg.length).set(arg);
          at += arg.length;
        }
        return errno.success;
      },
      clock_time_get: (_clock: number, _precision: bigint, at: number) => {
        // The same text is to give the same samples, so time stands still.
        this.#view.setBigUint64(at, 0n, true);
        return errno.success;
      },
      fd_prestat_get: (descriptor: number, at: number) => {
        if (descriptor !== rootDescriptor) return errno.badDescriptor;
        this.#view.setUint8(at, 0);
        this.#view.setUint32(at + 4, 1, true);
        return errno.success;
      },
      fd_prestat_dir_name: (descriptor: number, at: number, length: number) => {
        if (descriptor !== rootDescriptor || length < 1) return errno.badDescriptor;
        this.#bytes(at, 1).set([0x2f]);
        return errno.success;
      },
      fd_fdstat_get: (descriptor: number, at: number) => {
        const type = this.#typeOf(descriptor);
        if (type === undefined) return errno.badDescriptor;
        this.#bytes(at, 24).fill(0);
        this.#view.setUint8(at, type);
        // Every right, for itself and for what is opened through it.
        this.#view.setBigUint64(at + 8, 0x1fffffffn, true);
        this.#view.setBigUint64(at + 16, 0x1fffffffn, true);
        return errno.success;
      },
      fd_fdstat_set_flags: () => errno.success,
      fd_close: (descriptor: number) =>
        this.#descriptors.delete(descriptor) || descriptor < rootDescriptor
          ? errno.success
          : errno.badDescriptor,
      fd_read: (_descriptor: number, _vectorsAt: number, _count: number, readAt: number) => {
        this.#view.setUint32(readAt, 0, true);
        return errno.success;
      },
      fd_seek: (descriptor: number, offset: bigint, whence: number, positionAt: number) => {
        const file = this.#descriptors.get(descriptor);
        if (file === undefined) return errno.badDescriptor;
        const base = whence === 0 ? 0 : whence === 1 ? file.position : file.size;
        file.position = base + Number(offset);
        this.#view.setBigUint64(positionAt, BigInt(file.position), true);
        return errno.success;
      },
      fd_write: (descriptor: number, vectorsAt: number, count: number, writtenAt: number) => {
        let written = 0;
        for (let i = 0; i < count; i++) {
          const at = this.#view.getUint32(vectorsAt + 8 * i, true);
          const length = this.#view.getUint32(vectorsAt + 8 * i + 4, true);
          const problem = this.#write(descriptor, this.#bytes(at, length));
          if (problem !== errno.success) return problem;
          written += length;
        }
        this.#view.setUint32(writtenAt, written, true);
        return errno.success;
      },
      path_open: (
        _folder: number,
        _lookup: number,
        pathAt: number,
        pathLength: number,
        openFlags: number,
        _rights: bigint,
        _inherited: bigint,
        _flags: number,
        descriptorAt: number,
      ) => {
        const name = new TextDecoder().decode(this.#bytes(pathAt, pathLength));
        const create = (openFlags & 1) !== 0;
        if (!create) return errno.noEntry;
        const file: OpenFile = { bytes: new Uint8Array(64 * 1024), size: 0, position: 0 };
        this.#files.set(name, file);
        const descriptor = rootDescriptor + 1 + this.#files.size;
        this.#descriptors.set(descriptor, file);
        this.#view.setUint32(descriptorAt, descriptor, true);
        return errno.success;
      },
      proc_exit: (code: number) => {
        throw new Exit(code);
      },
    };
  }

  #bytes(at: number, length: number): Uint8Array {
    const { buffer } = this.#view;
    return new Uint8Array(buffer, at, length);
  }

  #typeOf(descriptor: number): number | undefined {
    if (descriptor < rootDescriptor) return fileType.characterDevice;
    if (descriptor === rootDescriptor) return fileType.directory;
    return this.#descriptors.has(descriptor) ? fileType.regularFile : undefined;
  }

  #write(descriptor: number, bytes: Uint8Array): number {
    if (descriptor < rootDescriptor) {
      if (this.#messages.length < 1_000) this.#messages += new TextDecoder().decode(bytes);
      return errno.success;
    }
    const file = this.#descriptors.get(descriptor);
    if (file === undefined) return errno.badDescriptor;
    const end = file.position + bytes.length;
    if (end > file.bytes.length) {
      const grown = new Uint8Array(Math.max(end, 2 * file.bytes.length));
      grown.set(file.bytes.subarray(0, file.size));
      file.bytes = grown;
    }
    file.bytes.set(bytes, file.position);
    file.position = end;
    file.size = Math.max(file.size, end);
    return errno.success;
  }
}
