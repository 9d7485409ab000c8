/** The part of a body to be sent; both ends included. `none`: what was asked for is not there. */
export type ByteRange = { readonly first: number; readonly last: number } | "whole" | "none";

/**
 * Reads a `Range` header for a body of `size` bytes. What is not one range of bytes is taken as no header at all, as HTTP
 * allows.
 */
export function rangeOf(header: string | null, size: number): ByteRange {
  const [, from = "", to = ""] = /^bytes=(\d*)-(\d*)$/.exec(header?.trim() ?? "") ?? [];
  if (from === "" && to === "") return "whole";
  // Without a beginning: so many bytes from the end.
  const first = from === "" ? Math.max(0, size - Number(to)) : Number(from);
  const last = from === "" || to === "" ? size - 1 : Math.min(Number(to), size - 1);
  return first <= last && first < size ? { first, last } : "none";
}
