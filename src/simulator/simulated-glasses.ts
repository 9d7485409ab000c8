import type { TranscriptionData } from "../wire/apps.ts";
import type { AudioFormat } from "../wire/audio-format.ts";
import type { ToGlasses } from "../wire/glasses.ts";
import { type Layout, layoutText, type View } from "../wire/layouts.ts";
import { explainRefusal, GlassesRefused } from "./glasses-refused.ts";
import { Microphone, type Spoken } from "./microphone.ts";

type FromServer<Type extends ToGlasses["type"]> = Extract<ToGlasses, { type: Type }>;

/** Called as things happen. All are optional. */
export interface GlassesEvents {
  onAck?(ack: FromServer<"connection_ack">): void;
  onDisplay?(display: FromServer<"display_event">): void;
  onMicrophone?(on: boolean, order: FromServer<"microphone_state_change">): void;
  onAppState?(state: FromServer<"app_state_change">): void;
  /** An app wants a picture: answer with `uploadPhoto` or `reportPhoto`. */
  onPhotoRequest?(request: FromServer<"photo_request">): void;
  /** What an app hears is heard here as well, with the option `overhears`. */
  onTranscript?(transcript: TranscriptionData): void;
  /** Every text message, after the callbacks above. */
  onMessage?(message: { readonly type: string }): void;
  /** A socket that was open is gone, whoever closed it. */
  onClose?(code: number, reason: string): void;
}

export interface GlassesOptions {
  /** The server's address, `http://` or `https://`, without a path. */
  readonly url: string;
  readonly token: string;
  readonly events?: GlassesEvents;
  /** What the server takes the audio for before it is told: PCM unless it was told earlier for this user. */
  readonly format?: AudioFormat;
  /** Seed of the room's noise. */
  readonly seed?: number;
  /** What the microphone hears while nobody speaks. */
  readonly background?: "noise" | "none";
  /** Asks, as the apps on a phone may, for the words that the user's apps hear: only those, so that nothing else changes. */
  readonly overhears?: boolean;
  /** Sends audio whatever the server orders, as a faulty client does. */
  readonly ignoreMicrophone?: boolean;
}

/**
 * Glasses and their phone in one, without the hardware: speaks the protocol of the glasses socket, shows what it is told
 * to show, and sends sound at the pace of real time while the server wants the microphone on. After a loss it does not
 * dial again by itself: `connect` may be called again.
 */
export class SimulatedGlasses {
  readonly #options: GlassesOptions;
  readonly #microphone: Microphone;
  readonly #displays = new Map<View, Layout>();
  readonly #watchers = new Set<() => void>();
  #socket: WebSocket | undefined;
  #pongs: (() => void)[] = [];
  #connected = false;
  #microphoneOn = false;
  #runningApps: readonly string[] = [];
  /** The streams of words that have been asked for on this socket. */
  #overheard = "";
  #closed = false;

  /** @throws Error when the wanted codec's library is missing. */
  constructor(options: GlassesOptions) {
    this.#options = options;
    this.#microphone = new Microphone({
      format: options.format ?? { codec: "pcm" },
      seed: options.seed ?? 1,
      background: options.background ?? "noise",
      send: (message) => this.#socket?.send(message),
    });
  }

  /** Whether the server has acknowledged the present socket. */
  get connected(): boolean {
    return this.#connected;
  }

  /** Whether the server wants sound. */
  get microphoneOn(): boolean {
    return this.#microphoneOn;
  }

  /** Package names of the apps that the server last reported as running. */
  get runningApps(): readonly string[] {
    return this.#runningApps;
  }

  /** What a view shows, or undefined before its first display. */
  display(view: View = "main"): Layout | undefined {
    return this.#displays.get(view);
  }

  /** The text that a view shows; empty for pictures and before the first display. */
  displayText(view: View = "main"): string {
    const layout = this.#displays.get(view);
    return layout === undefined ? "" : layoutText(layout);
  }

  /**
   * Dials the server. Resolves when it has acknowledged.
   * @throws GlassesRefused when it cannot be reached or does not accept the token.
   */
  async connect(): Promise<void> {
    if (this.#closed) throw new GlassesRefused("the glasses are closed");
    this.drop();
    const url = `${this.#options.url.replace(/^http/, "ws")}/glasses-ws`;
    const socket = new WebSocket(url, { headers: { authorization: `Bearer ${this.#options.token}` } });
    socket.binaryType = "arraybuffer";
    this.#socket = socket;
    const acknowledged = Promise.withResolvers<void>();
    let opened = false;
    socket.onopen = () => {
      opened = true;
      this.#send({ type: "connection_init" });
    };
    socket.onmessage = ({ data }) => {
      // A message of a socket that has been replaced is nobody's business any more.
      if (this.#socket !== socket || typeof data !== "string") return;
      this.#receive(data);
      if (this.#connected) acknowledged.resolve();
    };
    socket.onclose = ({ code, reason }) => {
      acknowledged.reject(new GlassesRefused(`the server closed the socket (${code} ${reason})`));
      if (this.#socket !== socket) return;
      this.#forgetSocket();
      if (opened) this.#options.events?.onClose?.(code, reason);
    };
    try {
      await acknowledged.promise;
    } catch (error) {
      throw (await explainRefusal(this.#options.url, this.#options.token)) ?? error;
    }
  }

  /**
   * Tells the server how sound will be encoded, and encodes it so from then on. Sound pauses meanwhile: what was sent in
   * the former format has arrived before the server is told, and nothing is sent until it has agreed.
   * @throws GlassesRefused when the server declines; the former format then stays.
   */
  async configureAudio(format: AudioFormat): Promise<void> {
    this.#microphone.hold();
    try {
      await this.roundTrip();
      const lc3Config =
        format.codec === "lc3"
          ? { sampleRate: 16_000, frameDurationMs: 10, frameSizeBytes: format.frameBytes }
          : null;
      const response = await fetch(`${this.#options.url}/api/client/audio/configure`, {
        method: "POST",
        headers: { authorization: `Bearer ${this.#options.token}`, "content-type": "application/json" },
        body: JSON.stringify({ format: format.codec, lc3Config }),
      });
      if (!response.ok) {
        const said = (await response.text()).slice(0, 200);
        throw new GlassesRefused(`the server declined ${format.codec}: ${said}`, response.status);
      }
      this.#microphone.setFormat(format);
    } finally {
      this.#microphone.release();
    }
  }

  /**
   * Says `samples` (16 kHz, mono) in real time, after all that is still being said. Waits while the microphone is off.
   * Resolves when the last sample has been sent; rejects with the signal's reason or when the glasses are closed.
   */
  speak(samples: Int16Array, signal?: AbortSignal): Promise<Spoken> {
    return this.#microphone.speak(samples, signal);
  }

  /**
   * Resolves when the server has answered a ping, and so has handled everything sent before; at once when not connected,
   * and when the connection is lost meanwhile.
   * @throws Error after 5 s without an answer: real phones then dial anew.
   */
  roundTrip(): Promise<void> {
    if (!this.#connected) return Promise.resolve();
    let answered = false;
    this.#pongs.push(() => {
      answered = true;
    });
    this.#send({ type: "ping" });
    return this.until(() => answered, "the answer to a ping", 5_000);
  }

  /**
   * Resolves as soon as `condition` holds; it is looked at now, and again after every message and loss.
   * @throws Error naming `what` when it does not hold within `timeoutMs`.
   */
  until(condition: () => boolean, what: string, timeoutMs = 10_000): Promise<void> {
    if (condition()) return Promise.resolve();
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const watcher = () => {
      if (condition()) resolve();
    };
    const timer = setTimeout(
      () => reject(new Error(`the glasses waited ${timeoutMs} ms in vain for ${what}`)),
      timeoutMs,
    );
    this.#watchers.add(watcher);
    return promise.finally(() => {
      clearTimeout(timer);
      this.#watchers.delete(watcher);
    });
  }

  startApp(packageName: string): void {
    this.#send({ type: "start_app", packageName });
  }

  stopApp(packageName: string): void {
    this.#send({ type: "stop_app", packageName });
  }

  pressButton(pressType: "short" | "long" = "short", buttonId = "main"): void {
    this.#send({ type: "button_press", buttonId, pressType });
  }

  moveHead(position: "up" | "down"): void {
    this.#send({ type: "head_position", position });
  }

  reportBattery(level: number, charging = false): void {
    this.#send({ type: "glasses_battery_update", level, charging });
  }

  /** Reports the glasses' own voice detector. */
  reportVoice(active: boolean): void {
    this.#send({ type: "VAD", status: active });
  }

  reportGlasses(modelName: string, status: "CONNECTED" | "DISCONNECTED" | "RECONNECTED"): void {
    this.#send({ type: "glasses_connection_state", modelName, status });
  }

  /**
   * Uploads a JPEG to where a request wants it, as glasses do over Wi-Fi.
   * @returns the HTTP status of the answer. Rejects when nobody answers.
   */
  async uploadPhoto(
    request: Pick<FromServer<"photo_request">, "requestId" | "webhookUrl" | "authToken">,
    jpeg: Uint8Array<ArrayBuffer>,
  ): Promise<number> {
    const form = new FormData();
    form.append("requestId", request.requestId);
    form.append("type", "photo_upload");
    form.append("success", "true");
    form.append("photo", new Blob([jpeg], { type: "image/jpeg" }), `${request.requestId}.jpg`);
    const headers: Record<string, string> =
      request.authToken === undefined ? {} : { authorization: `Bearer ${request.authToken}` };
    const response = await fetch(request.webhookUrl, { method: "POST", headers, body: form });
    await response.body?.cancel();
    return response.status;
  }

  /** Reports on a picture over the socket: where it is, or why there is none. */
  reportPhoto(
    requestId: string,
    report: { readonly photoUrl: string } | { readonly errorCode: string; readonly errorMessage: string },
  ): void {
    this.#send({ type: "photo_response", requestId, success: "photoUrl" in report, ...report });
  }

  /** Sends a text frame as it is; for tests of bad input. */
  sendText(frame: string): void {
    this.#socket?.send(frame);
  }

  /** Sends a binary frame as it is; for tests that bring their own audio. */
  sendBinary(frame: Uint8Array): void {
    this.#socket?.send(frame);
  }

  /** Loses the connection as a phone in a tunnel does, without saying good-bye. What is displayed stays. */
  drop(): void {
    const socket = this.#socket;
    if (socket === undefined) return;
    this.#forgetSocket();
    socket.terminate();
    this.#options.events?.onClose?.(1006, "dropped");
  }

  /** Ends it for good. Safe to call twice. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#microphone.close();
    this.#socket?.close(1000);
    this.#forgetSocket();
  }

  #forgetSocket(): void {
    this.#socket = undefined;
    this.#connected = false;
    this.#overheard = "";
    // Phones ask for sound anew after each connect, so until the server orders it nothing is sent.
    this.#microphoneOn = false;
    this.#microphone.setOpen(false);
    for (const settle of this.#pongs.splice(0)) settle();
    this.#wake();
  }

  #send(message: { type: string; [field: string]: unknown }): void {
    if (this.#socket?.readyState !== WebSocket.OPEN) return;
    this.#socket.send(JSON.stringify({ ...message, timestamp: new Date().toISOString() }));
  }

  #receive(frame: string): void {
    // The server's own types say what it sends; what is not understood is passed on untouched.
    const message: ToGlasses | { type: "ping" | "pong" } = JSON.parse(frame);
    const { events } = this.#options;
    switch (message.type) {
      case "connection_ack":
        this.#connected = true;
        this.#runningApps = message.userSession?.activeAppSessions ?? this.#runningApps;
        this.#overhear(message.userSession?.appSubscriptions ?? {});
        if (this.#options.ignoreMicrophone) this.#microphone.setOpen(true);
        events?.onAck?.(message);
        break;
      case "display_event":
        this.#displays.set(message.view, message.layout);
        events?.onDisplay?.(message);
        break;
      case "microphone_state_change":
        this.#microphoneOn = message.isMicrophoneEnabled;
        this.#microphone.setOpen(message.isMicrophoneEnabled || this.#options.ignoreMicrophone === true);
        events?.onMicrophone?.(message.isMicrophoneEnabled, message);
        break;
      case "app_state_change":
        this.#runningApps = message.userSession.activeAppSessions;
        this.#overhear(message.userSession.appSubscriptions);
        events?.onAppState?.(message);
        break;
      case "photo_request":
        events?.onPhotoRequest?.(message);
        break;
      case "data_stream":
        if (/^transcription(:|$)/.test(message.streamType)) {
          events?.onTranscript?.(message.data as TranscriptionData);
        }
        break;
      case "ping":
        this.#send({ type: "pong" });
        break;
      case "pong":
        this.#pongs.shift()?.();
        break;
    }
    events?.onMessage?.(message);
    this.#wake();
  }

  #overhear(appSubscriptions: Readonly<Record<string, readonly string[]>>): void {
    if (!this.#options.overhears) return;
    const streams = Object.values(appSubscriptions).flat();
    const words = [...new Set(streams.filter((stream) => /^transcription(:|$)/.test(stream)))].sort();
    if (words.join() === this.#overheard) return;
    this.#overheard = words.join();
    this.#send({ type: "phone_subscription_update", subscriptions: words });
  }

  #wake(): void {
    for (const watcher of [...this.#watchers]) watcher();
  }
}
