import type { Hop } from "./refusals.ts";

/** Why there is no picture, with the code that apps know, and where on its way the request got stuck. */
export interface PhotoFailure {
  readonly code: string;
  readonly message: string;
  readonly hop: Hop;
}

/** What this server itself refuses photos for, or gives them up for. */
const hops = {
  BAD_REQUEST: "app",
  DUPLICATE_REQUEST_ID: "app",
  NO_UPLOAD_URL: "app",
  UNKNOWN_APP: "server",
  PERMISSION_DENIED: "server",
  PHONE_DISCONNECTED: "phone",
  PHONE_NOT_RESPONDING: "phone",
  PHONE_TIMEOUT: "phone",
  GLASSES_DISCONNECTED: "glasses",
  NO_CAMERA: "glasses",
  CAMERA_BUSY: "glasses",
} as const satisfies Record<string, Hop>;

/** A failure that this server has found out by itself. */
export function photoRefusal(code: keyof typeof hops, message: string): PhotoFailure {
  return { code, message, hop: hops[code] };
}

/** A report on a photo, in whichever of its shapes. Some phones write null for what they leave out. */
export interface PhotoReport {
  readonly success?: boolean | null;
  readonly photoUrl?: string | null;
  readonly error?: { readonly code?: string; readonly message?: string } | null;
  readonly errorCode?: string | null;
  readonly errorMessage?: string | null;
}

/** Longest code and text that are passed on. */
const codeChars = 64;
const messageChars = 512;

/** Reads a report on a photo in any of its four shapes. A report without `success` that names a picture is one of success. */
export function readPhotoResponse(
  report: PhotoReport,
): { readonly kind: "uploaded" } | { readonly kind: "failure"; readonly failure: PhotoFailure } {
  const { success, photoUrl, error, errorCode, errorMessage } = report;
  const failed = error || errorCode || !photoUrl;
  if (success ?? !failed) return { kind: "uploaded" };
  return { kind: "failure", failure: photoFailure(error?.code ?? errorCode, error?.message ?? errorMessage) };
}

/** A failure with what its reporter left out filled in, and what he wrote too much cut off. */
export function photoFailure(code?: string | null, message?: string | null): PhotoFailure {
  const known = (code || "UNKNOWN_ERROR").slice(0, codeChars);
  return {
    code: known,
    message: (message || "The glasses could not take the picture").slice(0, messageChars),
    hop: known.startsWith("PHONE_") ? "phone" : "glasses",
  };
}
