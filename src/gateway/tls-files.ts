import { readFileSync } from "node:fs";
import type { Config } from "../kernel/config.ts";

/**
 * Reads the certificate chain and its key.
 * @throws Error with one line that names the setting whose file cannot be read.
 */
export function readTlsFiles(tls: NonNullable<Config["tls"]>): { cert: Buffer; key: Buffer } {
  return {
    cert: read(tls.certFile, "BROWLINE_TLS_CERT"),
    key: read(tls.keyFile, "BROWLINE_TLS_KEY"),
  };
}

function read(file: string, setting: string): Buffer {
  try {
    return readFileSync(file);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new Error(`The file of ${setting} cannot be read: ${why}`, { cause: error });
  }
}
