/** Why there is no picture, with the code that apps know. */
export interface PhotoFailure {
  readonly code: string;
  readonly message: string;
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
  return {
    code: (code || "UNKNOWN_ERROR").slice(0, codeChars),
    message: (message || "The glasses could not take the picture").slice(0, messageChars),
  };
}
