import type { SessionApp } from "../../src/session/manager.ts";
import type { UserSession } from "../../src/session/user-session.ts";
import type { AppMessage } from "../../src/wire/apps.ts";
import type { ToGlasses } from "../../src/wire/glasses.ts";
import { apiKey, FakeApp, FakeGlasses, type FakeWorld } from "./fake-world.ts";
import type { Step } from "./life-script.ts";

export const packages = ["com.front", "com.rival", "com.a", "com.b", "com.c"];

/** Marks the text of a display that may jump the pace. */
export const forcedMark = "now";

/** What a server or glasses may take. */
export const latenciesMs = [0, 20, 300, 1_500, 4_000, 8_000, 21_000, 25_000];
/** With and without a camera. */
const models = ["Mentra Live", "Even Realities G1", null] as const;
const photoReports = ["uploaded", "failed", "late", "never"] as const;

/** One app socket as its app saw it. */
export interface AppSocketLog {
  readonly app: FakeApp;
  readonly packageName: string;
  /** Messages that the rules have been checked for. */
  checked: number;
  button: number;
  utterance: number;
  final: number;
  stopped: boolean;
  /** Sounds and questions for the place. */
  readonly answered: Set<string>;
}

/** A picture that an app has asked for. */
export interface Photo {
  readonly requestId: string;
  readonly askedAtMs: number;
  readonly session: UserSession;
  readonly app: SessionApp;
  readonly process: number;
  readonly report: (typeof photoReports)[number];
  readonly latencyMs: number;
  readonly relayed: boolean;
  /** Pictures and errors that its app's server was handed. */
  outcomes: number;
  /** The glasses have said that it is where it belongs, or whoever asked has gone. */
  settled: boolean;
}

/** Glasses that take the pictures they are asked for, each as its request has it. */
class LivelyGlasses extends FakeGlasses {
  onPhoto: (requestId: string) => void = () => {};

  override send(message: ToGlasses) {
    const result = super.send(message);
    if (result === "sent" && message.type === "photo_request") this.onPhoto(message.requestId);
    return result;
  }
}

/** What a life needs of the world it is lived in. */
interface LifeWorld extends FakeWorld {
  /** Every picture that was asked for, whoever asked. */
  readonly photoOf: Map<string, Photo>;
  /** The server of an app changes its ways. */
  changeServer(packageName: string, pick: number): void;
  /** An app is registered anew, with or without its permissions. */
  renew(packageName: string, pick: number): void;
}

/** One user with the glasses, the app sockets and all that the rules must know of what was done. */
export class UserLife {
  readonly email: string;
  readonly index: number;
  readonly world: LifeWorld;
  session: UserSession | undefined;
  glasses: LivelyGlasses | undefined;
  generation = 0;
  /** Closes of replaced sockets that have not been heard yet. */
  readonly stale: (() => void)[] = [];
  readonly everyGlasses: FakeGlasses[] = [];
  sockets: AppSocketLog[] = [];
  readonly current = new Map<string, { readonly app: FakeApp; readonly nonce: string | undefined }>();
  readonly nonces = new Map<string, string[]>();
  readonly stoppedAt = new Map<string, number>();
  /** Frames by their number and marks of voice, as the phone has sent them. */
  readonly audio: (number | boolean)[] = [];
  readonly photos = new Map<string, Photo>();
  #numbers = 0;

  constructor(world: LifeWorld, index: number) {
    this.world = world;
    this.index = index;
    this.email = `user${index}@example.com`;
  }

  next(): number {
    return this.#numbers++;
  }

  async perform({ action, app, pick }: Step): Promise<void> {
    const { world } = this;
    const packageName = packages[app] ?? "";
    const session = this.session?.disposed ? undefined : this.session;
    const socket = this.current.get(packageName)?.app;
    const ask = (message: AppMessage) => {
      if (session === undefined || socket === undefined) return;
      const wasOpen = socket.closed === undefined;
      session.apps.receive(packageName, socket.generation, message);
      must(!wasOpen || socket.closed === undefined, `no app socket is closed by a ${message.type}`);
    };
    const hear = (message: Parameters<UserSession["receiveGlasses"]>[1]) => {
      if (this.glasses !== undefined) session?.receiveGlasses(this.generation, message);
    };
    if (action === "server") {
      world.changeServer(packageName, pick);
      return;
    }
    if (action === "renew") {
      world.renew(packageName, pick);
      return;
    }
    if (action === "lateClose") {
      this.stale.shift()?.();
      return;
    }
    if (session === undefined) {
      await this.#attach();
      return;
    }
    switch (action) {
      case "returnGlasses":
        if (this.glasses === undefined) await this.#attach();
        return;
      case "secondGlasses": {
        const { generation } = this;
        this.stale.push(() => session.glassesClosed(generation));
        await this.#attach();
        return;
      }
      case "dropGlasses":
        if (this.glasses === undefined) return;
        this.glasses = undefined;
        session.glassesClosed(this.generation);
        return;
      case "start":
        this.stoppedAt.delete(packageName);
        void session.apps.start(packageName);
        return;
      case "stop":
        session.apps.stop(packageName);
        this.#stopped(session, packageName);
        return;
      case "takeOff":
        session.setInstalled(packageName, false);
        this.#stopped(session, packageName);
        return;
      case "putBack":
        session.setInstalled(packageName, true);
        return;
      case "wear":
        hear({
          type: "glasses_connection_state",
          modelName: models[pick % models.length] ?? null,
          status: pick % 4 === 0 ? "DISCONNECTED" : "CONNECTED",
        });
        return;
      case "report":
        hear(this.#report(pick));
        // Clients say some things twice.
        if (pick % 2 === 0) hear(this.#report(pick));
        return;
      case "dropApp":
        this.dropApp(packageName);
        return;
      case "returnApp":
        this.connectApp(packageName, this.current.get(packageName)?.nonce);
        return;
      case "straggler":
        this.connectApp(packageName, this.nonces.get(packageName)?.[pick % 5]);
        return;
      case "handOver":
        ask({ type: "ownership_release", reason: "clean_shutdown" });
        this.dropApp(packageName);
        return;
      case "wrongKey": {
        const nonce = pick % 2 === 0 ? undefined : this.nonces.get(packageName)?.at(-1);
        const refused = session.apps.accept(packageName, "wrong", nonce, new FakeApp());
        must("fault" in refused, "a wrong key opens nothing");
        return;
      }
      case "subscribe":
      case "subscribeNothing": {
        const literals = ["button_press", "transcription:en-US", "audio_chunk"].slice(0, 1 + (pick % 3));
        ask({ type: "subscription_update", subscriptions: action === "subscribe" ? literals : [] });
        return;
      }
      case "show":
        ask(this.#display(packageName, pick));
        return;
      case "burst":
        for (let i = 0; i < 5; i++) ask(this.#display(packageName, pick + i));
        return;
      case "photo":
        this.#askForPhoto(session, packageName, pick, ask);
        return;
      case "ask":
        ask(this.#request(pick));
        return;
      case "speak": {
        const number = this.next();
        const startMs = number * 1_000;
        const say = (text: string, isFinal: boolean) =>
          session.transcription.onTranscript({
            utteranceId: `u${number}`,
            language: "en-US",
            text: `${text} of ${this.index}`,
            isFinal,
            startMs,
            endMs: startMs + 500,
            provider: "test",
          });
        say("hello", false);
        say("hello world", true);
        return;
      }
      case "audio": {
        if (this.glasses === undefined) return;
        const number = this.next();
        this.audio.push(number);
        session.audio.receive(this.generation, audioFrame(this.index, number));
        return;
      }
      case "voiceOn":
      case "voiceOff":
        if (this.glasses !== undefined) this.audio.push(action === "voiceOn");
        hear({ type: "VAD", status: action === "voiceOn" });
        return;
      case "button":
        hear({ type: "button_press", buttonId: `${this.next()} of ${this.index}`, pressType: "short" });
        return;
    }
  }

  /** The app's process has lost its socket. */
  dropApp(packageName: string): void {
    const socket = this.current.get(packageName)?.app;
    if (socket === undefined) return;
    this.current.delete(packageName);
    this.session?.apps.closed(packageName, socket.generation);
  }

  /**
   * The app dials, as the SDK does after a webhook or a loss.
   * @returns whether it was let in.
   */
  connectApp(packageName: string, nonce: string | undefined): boolean {
    const { session } = this;
    if (session === undefined || session.disposed) return false;
    const app = new FakeApp();
    const former = this.current.get(packageName)?.app;
    const accepted = session.apps.accept(packageName, apiKey, nonce, app);
    if (!("generation" in accepted)) return false;
    app.generation = accepted.generation;
    if (former !== undefined) {
      must(former.closed !== undefined, "of two sockets of one app one is closed");
      this.stale.push(() => session.apps.closed(packageName, former.generation));
    }
    this.current.set(packageName, { app, nonce });
    this.sockets.push({
      app,
      packageName,
      checked: 0,
      button: -1,
      utterance: -1,
      final: -1,
      stopped: false,
      answered: new Set(),
    });
    return true;
  }

  #stopped(session: UserSession, packageName: string): void {
    this.stoppedAt.set(packageName, this.world.clock.now());
    this.current.delete(packageName);
    must(session.apps.app(packageName) === undefined, "nothing of a stopped app is left");
  }

  async #attach(): Promise<void> {
    const { world } = this;
    const session = await world.storage.getOrCreate(this.email);
    if (session !== this.session) this.current.clear();
    this.session = session;
    const glasses = new LivelyGlasses(world.clock);
    glasses.onPhoto = (requestId) => this.#takePhoto(requestId);
    this.generation = session.attachGlasses(glasses);
    this.glasses = glasses;
    this.everyGlasses.push(glasses);
    must(glasses.sent[0]?.message.type === "connection_ack", "the glasses are acknowledged before all else");
  }

  #display(packageName: string, pick: number): AppMessage {
    const forceDisplay = pick % 7 === 0;
    const layout = {
      layoutType: "text_wall",
      text: `${packageName} ${this.next()} of ${this.index}${forceDisplay ? ` ${forcedMark}` : ""}`,
    };
    return {
      type: "display_event",
      view: pick % 5 === 0 ? "dashboard" : "main",
      layout: pick % 11 === 0 ? { layoutType: "clear_view" } : layout,
      ...(pick % 3 === 0 ? { durationMs: 300 + (pick % 8) * 500 } : {}),
      forceDisplay,
    };
  }

  /** What an app may ask for and does not always get. */
  #request(pick: number): AppMessage {
    const requestId = `${this.next()} of ${this.index}`;
    const requests: readonly AppMessage[] = [
      { type: "audio_play_request", requestId, audioUrl: "http://127.0.0.1:1/a.mp3" },
      { type: "audio_stop_request" },
      { type: "location_poll_request", correlationId: requestId, accuracy: "high" },
      { type: "rgb_led_control", requestId, action: "on", color: "red" },
      { type: "rtmp_stream_request", rtmpUrl: "rtmp://127.0.0.1/x" },
      { type: "managed_stream_request" },
      { type: "stream_status_check" },
      { type: "request_wifi_setup" },
      { type: "app_broadcast_message", payload: requestId, messageId: requestId },
      { type: "app_direct_message", targetUserId: "user0@example.com", payload: 1, messageId: requestId },
      { type: "dashboard_mode_change", mode: "expanded" },
      { type: "display_event", layout: { layoutType: "no such layout" } },
    ];
    return requests[pick % requests.length] ?? { type: "stream_status_check" };
  }

  /** What the phone says by itself, or in answer to what it was asked last. */
  #report(pick: number): Parameters<UserSession["receiveGlasses"]>[1] {
    const last = <Type extends "audio_play_request" | "request_single_location" | "rgb_led_control">(
      type: Type,
    ) => this.glasses?.of(type).at(-1);
    const place = { lat: pick / 100, lng: 1 };
    const reports: readonly Parameters<UserSession["receiveGlasses"]>[1][] = [
      { type: "location_update", ...place },
      {
        type: "location_update",
        ...place,
        ...{ correlationId: last("request_single_location")?.correlationId ?? "none" },
      },
      {
        type: "audio_play_response",
        requestId: last("audio_play_request")?.requestId ?? "none",
        success: pick % 2 === 0,
      },
      {
        type: "rgb_led_control_response",
        requestId: last("rgb_led_control")?.requestId ?? "none",
        success: true,
      },
      { type: "head_position", position: "up" },
      { type: "phone_notification", notificationId: `${pick}` },
      { type: "glasses_battery_update", level: pick % 100, charging: false },
    ];
    return reports[pick % reports.length] ?? { type: "connection_init" };
  }

  #askForPhoto(
    session: UserSession,
    packageName: string,
    pick: number,
    ask: (message: AppMessage) => void,
  ): void {
    const app = session.apps.app(packageName);
    if (!this.current.has(packageName) || app === undefined) return;
    const requestId = `${packageName} ${this.next()} of ${this.index}`;
    const relayed = pick % 2 === 0;
    const photo: Photo = {
      requestId,
      askedAtMs: this.world.clock.now(),
      session,
      app,
      process: app.process,
      report: photoReports[pick % 4] ?? "never",
      latencyMs: latenciesMs[pick % 5] ?? 0,
      relayed,
      outcomes: 0,
      settled: false,
    };
    this.photos.set(requestId, photo);
    this.world.photoOf.set(requestId, photo);
    this.world.photos.way = relayed ? "relay" : "direct";
    ask({ type: "photo_request", requestId });
  }

  #takePhoto(requestId: string): void {
    const photo = this.photos.get(requestId);
    if (photo === undefined || photo.report === "never") return;
    const { clock, limits, photos } = this.world;
    const failed = photo.report === "failed";
    clock.after(photo.report === "late" ? limits.photoMs + 2_000 : photo.latencyMs, () => {
      if (this.session !== photo.session || this.glasses === undefined) return;
      if (photo.relayed && !failed) photos.upload(requestId);
      else if (photo.outcomes === 0 && !failed) photo.settled = true;
      this.session.receiveGlasses(this.generation, {
        type: "photo_response",
        requestId,
        success: !failed,
        ...(failed ? { errorCode: "CAMERA_CAPTURE_FAILED", errorMessage: "no" } : { photoUrl: "there" }),
      });
    });
  }
}

/** A frame that tells whose it is and which. */
function audioFrame(user: number, number: number): Uint8Array {
  return new Uint8Array([user, (number >> 16) & 255, (number >> 8) & 255, number & 255]);
}

export function must(holds: boolean, rule: string): asserts holds {
  if (!holds) throw new Error(`broken rule: ${rule}`);
}
