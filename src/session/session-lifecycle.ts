/**
 * A session's life. It is made for a socket that is about to open, lives through drops of `sessionGraceMs`, and once it
 * is being disposed of nothing can bring it back: the user's next socket gets a new one.
 */
export type SessionState =
  | { readonly name: "CONNECTING"; readonly untilMs: number }
  | { readonly name: "ACTIVE" }
  | { readonly name: "DISCONNECTED"; readonly untilMs: number }
  | { readonly name: "DISPOSING" }
  | { readonly name: "DISPOSED" };

export type SessionEvent =
  | { readonly kind: "connected" }
  /** The current glasses socket closed. */
  | { readonly kind: "lost" }
  | { readonly kind: "tick" }
  | { readonly kind: "end" }
  | { readonly kind: "disposed" };

/** What becomes of a session when something happens. Pure. */
export function nextSessionState(
  state: SessionState,
  event: SessionEvent,
  nowMs: number,
  graceMs: number,
): SessionState {
  switch (state.name) {
    case "CONNECTING":
    case "DISCONNECTED":
      if (event.kind === "connected") return { name: "ACTIVE" };
      if (event.kind === "end" || (event.kind === "tick" && nowMs >= state.untilMs))
        return { name: "DISPOSING" };
      return state;
    case "ACTIVE":
      if (event.kind === "lost") return { name: "DISCONNECTED", untilMs: nowMs + graceMs };
      return event.kind === "end" ? { name: "DISPOSING" } : state;
    case "DISPOSING":
      return event.kind === "disposed" ? { name: "DISPOSED" } : state;
    case "DISPOSED":
      return state;
  }
}
