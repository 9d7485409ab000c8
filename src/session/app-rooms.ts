import { type Clock, isoTime } from "../kernel/clock.ts";
import type { Containment } from "../kernel/containment.ts";
import { canonicalUserId } from "../kernel/identity.ts";
import type { Limits } from "../kernel/limits.ts";
import { TokenBucket } from "../kernel/token-bucket.ts";
import type { AppMessage, ToApp } from "../wire/apps.ts";
import type { SessionApp } from "./manager.ts";
import { type MessageLine, MessageTurns } from "./message-turns.ts";

type RoomConfig = NonNullable<(AppMessage & { type: "app_room_join" })["roomConfig"]>;

/** A user who runs an app. */
export interface AppUser {
  readonly userId: string;
  /** The id under which the app knows that user's session. */
  readonly sessionId: string;
  /** ISO 8601. */
  readonly joinedAt: string;
}

/** Why something between the users of an app was not done. */
export type AppMessageRefusal =
  | "RATE_LIMITED"
  | "PAYLOAD_TOO_LARGE"
  | "BUSY"
  | "USER_NOT_ACTIVE"
  | "ROOM_FULL"
  | "ROOM_PRIVATE"
  | "TOO_MANY_ROOMS"
  | "NOT_IN_ROOM";

export type AppMessageResult = "done" | AppMessageRefusal;

interface Package {
  readonly name: string;
  readonly users: Map<string, AppPresence>;
  readonly rooms: Map<string, Room>;
  readonly line: MessageLine;
}

interface Room {
  readonly id: string;
  /** Who opened it, and may change what it is like. */
  readonly ownerId: string;
  readonly members: Set<AppPresence>;
  maxUsers: number;
  isPrivate: boolean;
  metadata: unknown;
}

/** What is kept of a room in case the process ends. */
export type KeptRoom = Omit<Room, "members">;

/**
 * Where the users of one app meet, over all sessions of this server. Users of different apps never do. Who sends
 * something is always what the session says, whatever the app has written into its message.
 */
export class AppRooms {
  readonly clock: Clock;
  readonly limits: Limits;
  /** What waits to be handed out, of all apps. */
  readonly turns: MessageTurns;
  readonly #packages = new Map<string, Package>();

  constructor({ clock, limits }: { readonly clock: Clock; readonly limits: Limits }) {
    this.clock = clock;
    this.limits = limits;
    this.turns = new MessageTurns(clock, limits);
  }

  /** Everybody who runs an app, longest first. */
  usersOf(packageName: string): readonly AppUser[] {
    return [...(this.#packages.get(packageName)?.users.values() ?? [])].map((presence) => presence.user);
  }

  /** The rooms of an app with the number of their members. For operators and tests. */
  roomsOf(packageName: string): ReadonlyMap<string, number> {
    const rooms = this.#packages.get(packageName)?.rooms.values() ?? [];
    return new Map([...rooms].map(({ id, members }) => [id, members.size]));
  }

  /**
   * A user's app runs. To be closed when it does not any more.
   * @param containment of that user's session: what goes wrong there as it receives is not the sender's trouble.
   */
  enter(userId: string, app: SessionApp, containment: Containment): AppPresence {
    const { packageName } = app;
    let home = this.#packages.get(packageName);
    if (home === undefined) {
      home = { name: packageName, users: new Map(), rooms: new Map(), line: [] };
      this.#packages.set(packageName, home);
    }
    const { users } = home;
    users.get(userId)?.close();
    const presence = new AppPresence(this, home, userId, app, containment, () => {
      if (users.get(userId) === presence) users.delete(userId);
      if (users.size === 0 && this.#packages.get(packageName)?.users === users) {
        this.#packages.delete(packageName);
      }
    });
    // Closing the former presence may have taken the package away.
    this.#packages.set(packageName, home);
    users.set(userId, presence);
    return presence;
  }
}

/** One user of one app among the others. */
export class AppPresence {
  readonly user: AppUser;
  readonly app: SessionApp;
  readonly #hub: AppRooms;
  readonly #home: Package;
  readonly #containment: Containment;
  readonly #rooms = new Set<Room>();
  readonly #allowance: TokenBucket;
  readonly #onClose: () => void;
  #closed = false;

  constructor(
    hub: AppRooms,
    home: Package,
    userId: string,
    app: SessionApp,
    containment: Containment,
    onClose: () => void,
  ) {
    this.user = { userId, sessionId: app.sessionId, joinedAt: isoTime(hub.clock) };
    this.app = app;
    this.#hub = hub;
    this.#home = home;
    this.#containment = containment;
    this.#allowance = new TokenBucket(hub.limits.appMessageBurst, hub.limits.appMessagesPerSecond);
    this.#onClose = onClose;
  }

  /** Kept for an app that is away for the moment. */
  receive(message: ToApp): void {
    if (this.#closed) return;
    this.#containment.run("app_message", () => this.app.deliver(message, "must", message.type));
  }

  /** To every other user of the app, or to the others in a room. */
  broadcast(payload: unknown, messageId: string, roomId: string | undefined): AppMessageResult {
    const refusal = this.#refusal(payload);
    if (refusal !== undefined) return refusal;
    const room = roomId === undefined ? undefined : this.#home.rooms.get(roomId);
    if (roomId !== undefined && !(room !== undefined && this.#rooms.has(room))) return "NOT_IN_ROOM";
    const others = [...(room?.members ?? this.#home.users.values())].filter((other) => other !== this);
    const message = this.#message(payload, messageId);
    return this.#hand(others, roomId === undefined ? message : { ...message, roomId });
  }

  /** To one other user of the app. */
  direct(targetUserId: string, payload: unknown, messageId: string): AppMessageResult {
    const refusal = this.#refusal(payload);
    if (refusal !== undefined) return refusal;
    const target = this.#home.users.get(canonicalUserId(targetUserId));
    return target === undefined ? "USER_NOT_ACTIVE" : this.#hand([target], this.#message(payload, messageId));
  }

  /**
   * Enters a room, which is made where there is none. What it is like is for who opened it to say. Nobody can be invited
   * to a private one, so whoever is not in it when it becomes private stays outside, except for who opened it; who is
   * turned away hears nothing, neither of the room nor of what is said in it.
   */
  join(roomId: string, config: RoomConfig | undefined): AppMessageResult {
    const { limits } = this.#hub;
    if (!this.#mayAct()) return "RATE_LIMITED";
    if (!fits(config?.metadata, limits.roomMetadataBytes)) return "PAYLOAD_TOO_LARGE";
    const { rooms } = this.#home;
    const known = rooms.get(roomId);
    if (known !== undefined && this.#rooms.has(known)) {
      const changes = config !== undefined && known.ownerId === this.user.userId;
      if (changes) configure(known, config, limits);
      if (changes) this.#tell(known, "config_changed");
      else this.receive(updateOf(known, "user_joined"));
      return "done";
    }
    if (known?.isPrivate && known.ownerId !== this.user.userId) return "ROOM_PRIVATE";
    if (this.#rooms.size >= limits.roomsPerUser) return "TOO_MANY_ROOMS";
    if (known === undefined && rooms.size >= limits.roomsPerPackage) return "TOO_MANY_ROOMS";
    if (known !== undefined && known.members.size >= known.maxUsers) return "ROOM_FULL";
    const room = known ?? this.#open(roomId, config);
    room.members.add(this);
    this.#rooms.add(room);
    const { userId, sessionId } = this.user;
    const others = [...room.members].filter((other) => other !== this);
    const joinedAt = isoTime(this.#hub.clock);
    this.#notify(others, { type: "app_user_joined", userId, sessionId, joinedAt, roomId });
    this.#tell(room, "user_joined");
    return "done";
  }

  leave(roomId: string): AppMessageResult {
    if (!this.#mayAct()) return "RATE_LIMITED";
    const room = this.#home.rooms.get(roomId);
    if (room === undefined || !this.#rooms.has(room)) return "NOT_IN_ROOM";
    this.#quit(room);
    this.receive(updateOf(room, "user_left"));
    return "done";
  }

  /** The rooms that the user is in, for the next process. */
  keep(): readonly KeptRoom[] {
    return [...this.#rooms].map(({ members: _, ...room }) => room);
  }

  /** The user was in these rooms when the former process ended, and so were the others: nobody is told. */
  resume(rooms: readonly KeptRoom[]): void {
    for (const kept of rooms) {
      const room = this.#home.rooms.get(kept.id) ?? { ...kept, members: new Set() };
      this.#home.rooms.set(kept.id, room);
      room.members.add(this);
      this.#rooms.add(room);
    }
  }

  /** The app does not run any more: its user leaves every room. Safe to call twice. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    for (const room of [...this.#rooms]) this.#quit(room);
    this.#onClose();
  }

  #open(id: string, config: RoomConfig | undefined): Room {
    const room: Room = {
      id,
      ownerId: this.user.userId,
      members: new Set(),
      maxUsers: this.#hub.limits.usersPerRoom,
      isPrivate: false,
      metadata: undefined,
    };
    configure(room, config, this.#hub.limits);
    this.#home.rooms.set(id, room);
    return room;
  }

  #quit(room: Room): void {
    room.members.delete(this);
    this.#rooms.delete(room);
    if (room.members.size === 0) {
      this.#home.rooms.delete(room.id);
      return;
    }
    const { userId, sessionId } = this.user;
    const leftAt = isoTime(this.#hub.clock);
    this.#notify([...room.members], { type: "app_user_left", userId, sessionId, leftAt, roomId: room.id });
    this.#tell(room, "user_left");
  }

  #tell(room: Room, updateType: "user_joined" | "user_left" | "config_changed"): void {
    this.#notify([...room.members], updateOf(room, updateType));
  }

  #notify(targets: readonly AppPresence[], message: ToApp): void {
    this.#hub.turns.hand(this.#home.line, targets, message, "notice");
  }

  #hand(targets: readonly AppPresence[], message: ToApp): AppMessageResult {
    return this.#hub.turns.hand(this.#home.line, targets, message, "message") ? "done" : "BUSY";
  }

  #message(payload: unknown, messageId: string) {
    const { userId, sessionId } = this.user;
    return {
      type: "app_message_received",
      payload,
      messageId,
      senderUserId: userId,
      senderSessionId: sessionId,
    } as const;
  }

  #refusal(payload: unknown): AppMessageRefusal | undefined {
    if (!this.#mayAct()) return "RATE_LIMITED";
    return fits(payload, this.#hub.limits.appMessageBytes) ? undefined : "PAYLOAD_TOO_LARGE";
  }

  #mayAct(): boolean {
    return this.#allowance.take(this.#hub.clock.now());
  }
}

function configure(room: Room, config: RoomConfig | undefined, limits: Limits): void {
  room.maxUsers = Math.min(config?.maxUsers ?? room.maxUsers, limits.usersPerRoom);
  room.isPrivate = config?.isPrivate ?? room.isPrivate;
  room.metadata = config?.metadata ?? room.metadata;
}

function updateOf(room: Room, updateType: "user_joined" | "user_left" | "config_changed"): ToApp {
  const { id: roomId, members, maxUsers, isPrivate, metadata } = room;
  const data = { memberCount: members.size, maxUsers, isPrivate };
  const roomData = metadata === undefined ? data : { ...data, metadata };
  return { type: "app_room_updated", roomId, updateType, roomData };
}

function fits(value: unknown, mostBytes: number): boolean {
  return value === undefined || Buffer.byteLength(JSON.stringify(value)) <= mostBytes;
}
