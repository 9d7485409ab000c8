import type { AppMessage, ToApp } from "../wire/apps.ts";
import type { Hop } from "../wire/refusals.ts";
import type { AppMessageRefusal, AppMessageResult, AppPresence, AppRooms, KeptRoom } from "./app-rooms.ts";
import type { Manager, SessionApp, SessionContext } from "./manager.ts";

const refusals: Readonly<Record<AppMessageRefusal, { readonly hop: Hop; readonly message: string }>> = {
  RATE_LIMITED: { hop: "server", message: "Too many messages" },
  PAYLOAD_TOO_LARGE: { hop: "app", message: "The message is too large" },
  BUSY: { hop: "server", message: "Too many messages are waiting" },
  USER_NOT_ACTIVE: { hop: "server", message: "The user does not run this app" },
  ROOM_FULL: { hop: "server", message: "The room is full" },
  ROOM_PRIVATE: { hop: "server", message: "The room is private" },
  TOO_MANY_ROOMS: { hop: "server", message: "Too many rooms" },
  NOT_IN_ROOM: { hop: "app", message: "The app has not joined this room" },
};

/** Who of this user's apps meets others, and in which rooms, in case the process ends. */
interface KeptPresences {
  readonly presences: readonly (readonly [packageName: string, rooms: readonly KeptRoom[]])[];
}

/** What the apps of this user say to the same apps of other users. Refusals never cost an app its socket. */
export class AppMessagesManager implements Manager {
  readonly #context: SessionContext;
  readonly #rooms: AppRooms;
  readonly #presences = new Map<string, AppPresence>();

  constructor(context: SessionContext, rooms: AppRooms) {
    this.#context = context;
    this.#rooms = rooms;
  }

  onAppConnected(app: SessionApp): void {
    const former = this.#presences.get(app.packageName);
    if (former?.app === app) return;
    former?.close();
    const { userId, containment } = this.#context;
    this.#presences.set(app.packageName, this.#rooms.enter(userId, app, containment));
  }

  onAppGone(packageName: string): void {
    this.#presences.get(packageName)?.close();
    this.#presences.delete(packageName);
  }

  onAppMessage(app: SessionApp, message: AppMessage): boolean {
    const presence = this.#presences.get(app.packageName);
    if (presence === undefined) return false;
    switch (message.type) {
      case "app_broadcast_message": {
        const { payload, messageId, roomId } = message;
        this.#report(app, "broadcast", presence.broadcast(payload, messageId, roomId));
        return true;
      }
      case "app_direct_message":
        this.#direct(app, presence, message);
        return true;
      case "app_room_join":
        this.#report(app, "join", presence.join(message.roomId, message.roomConfig));
        return true;
      case "app_room_leave":
        this.#report(app, "leave", presence.leave(message.roomId));
        return true;
      default:
        return false;
    }
  }

  keep(): KeptPresences | undefined {
    if (this.#presences.size === 0) return undefined;
    return {
      presences: [...this.#presences].map(([packageName, presence]) => [packageName, presence.keep()]),
    };
  }

  resume({ presences }: KeptPresences): void {
    for (const [packageName, rooms] of presences) {
      const app = this.#context.app(packageName);
      if (app === undefined) continue;
      this.onAppConnected(app);
      this.#presences.get(packageName)?.resume(rooms);
    }
  }

  dispose(): void {
    for (const presence of this.#presences.values()) presence.close();
    this.#presences.clear();
  }

  #direct(
    app: SessionApp,
    presence: AppPresence,
    { targetUserId, payload, messageId }: AppMessage & { type: "app_direct_message" },
  ): void {
    const result = presence.direct(targetUserId, payload, messageId);
    this.#count("direct", result);
    const answer: ToApp = {
      type: "app_direct_message_response",
      messageId,
      success: result === "done",
      ...(result === "done"
        ? {}
        : { error: refusals[result].message, code: result, hop: refusals[result].hop }),
      targetUserId,
    };
    app.send(answer);
  }

  /**
   * These requests have no answer of their own, so a refusal is what the SDK raises as an error. That a room is private is
   * only counted: to say so would tell strangers that it exists.
   */
  #report(app: SessionApp, kind: string, result: AppMessageResult): void {
    this.#count(kind, result);
    if (kind !== "broadcast") this.#context.changed();
    if (result !== "done" && result !== "ROOM_PRIVATE") {
      app.send({ type: "tpa_connection_error", code: result, ...refusals[result] });
    }
  }

  #count(kind: string, result: AppMessageResult): void {
    this.#context.metrics.appMessages.inc({ kind, outcome: result.toLowerCase() });
  }
}
