import pino, { type Logger } from "pino";
import pretty from "pino-pretty";

export type { Logger };

/**
 * Structured logs, one JSON object a line, or coloured text on a terminal. What people said and what opens doors never
 * belongs in a line; should it slip into a field all the same, the field is blanked here.
 */
export function createLog(options: { level: string; format: "auto" | "json" | "pretty" }): Logger {
  const wantsPretty =
    options.format === "pretty" || (options.format === "auto" && process.stdout.isTTY === true);
  const destination = wantsPretty
    ? pretty({
        colorize: process.stdout.isTTY === true,
        ignore: "pid,hostname",
        translateTime: "HH:MM:ss.l",
        singleLine: true,
        sync: true,
      })
    : pino.destination({ dest: 1, sync: false });
  return pino(
    { level: options.level, base: null, redact: { paths: secretPaths(), censor: "[redacted]" } },
    destination,
  );
}

const secretFields = [
  "token",
  "coreToken",
  "apiKey",
  "authorization",
  "secret",
  "text",
  "transcript",
  "layout",
];

function secretPaths(): string[] {
  return secretFields.flatMap((field) => [field, `*.${field}`]);
}
