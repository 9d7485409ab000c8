import type { AppSeat } from "./app-seat.ts";
import { SdkLikeSession } from "./sdk-like-session.ts";

/** How an app's server fails: it is not there, it answers nothing, or something before it answers in its stead. */
export type OutageManner = "gone" | "silent" | "unavailable";

interface Webhook {
  readonly type: string;
  readonly sessionId: string;
  readonly mentraOSWebsocketUrl: string;
}

/** What the SDK lets pass between the farewell to a former session and its end. */
const releaseMs = 100;
/** What the app does with a new session before it registers its handlers. */
const beginningMs = 50;

/** The server of one app with many users, which behaves as one on the SDK does and can fail for a while. */
export class SdkLikeApp {
  readonly packageName: string;
  readonly #speed: number;
  readonly #seats = new Map<string, AppSeat>();
  readonly #sessions = new Map<string, SdkLikeSession>();
  /** Sessions that the SDK has given up before their acknowledgement, and that linger without handlers. */
  readonly #zombies = new Set<SdkLikeSession>();
  #apiKey = "";
  #server: Bun.Server<undefined> | undefined;
  #port = 0;
  #outage: OutageManner | undefined;
  /** A socket was closed with this code, though nothing was wrong with its lane as far as the app knows. */
  onClosed: (seat: AppSeat, code: number, reason: string) => void = () => {};

  constructor(packageName: string, speed: number) {
    this.packageName = packageName;
    this.#speed = speed;
    this.#listen();
  }

  get url(): string {
    return `http://127.0.0.1:${this.#port}`;
  }

  get isUp(): boolean {
    return this.#outage === undefined;
  }

  /** The key that its registration brought. */
  set apiKey(key: string) {
    this.#apiKey = key;
  }

  seat(seat: AppSeat): void {
    this.#seats.set(seat.sessionId, seat);
  }

  /** The app of one user listens to something else. */
  relist(seat: AppSeat): void {
    this.#sessions.get(seat.sessionId)?.relist();
  }

  /** The app of one user changes its network: its socket is gone, and the server hears of that when the lane lets it. */
  dropSocket(seat: AppSeat): void {
    this.#sessions.get(seat.sessionId)?.dropSocket();
  }

  /** The process dies with all its sessions; what answers in its place until `recover` is up to `manner`. */
  fail(manner: OutageManner): void {
    this.#outage = manner;
    for (const [sessionId, session] of [...this.#sessions]) this.#forget(sessionId, session, "crash");
    this.#endZombies();
    for (const seat of this.#seats.values()) seat.away();
    if (manner !== "gone") return;
    void this.#server?.stop(true);
    this.#server = undefined;
  }

  /** A new process listens on the same port, and knows of nobody. */
  recover(): void {
    if (this.#outage === undefined) return;
    this.#outage = undefined;
    if (this.#server === undefined) this.#listen();
  }

  close(): void {
    this.#endZombies();
    for (const [sessionId, session] of [...this.#sessions]) this.#forget(sessionId, session, "crash");
    void this.#server?.stop(true);
  }

  #listen(): void {
    this.#server = Bun.serve({
      hostname: "127.0.0.1",
      port: this.#port,
      idleTimeout: 60,
      fetch: (request) => this.#answer(request),
    });
    this.#port = this.#server.port ?? 0;
  }

  async #answer(request: Request): Promise<Response> {
    if (this.#outage === "unavailable") return new Response("no such host", { status: 503 });
    if (this.#outage === "silent") return new Promise(() => {});
    if (new URL(request.url).pathname !== "/webhook") return Response.json({ status: "healthy" });
    const webhook = (await request.json()) as Webhook;
    if (webhook.type === "session_request") return this.#begin(webhook);
    const session = this.#sessions.get(webhook.sessionId);
    if (session !== undefined) {
      this.#forget(webhook.sessionId, session, "close");
      this.#seats.get(webhook.sessionId)?.away();
    }
    return Response.json({ status: "success" });
  }

  async #begin({ sessionId, mentraOSWebsocketUrl }: Webhook): Promise<Response> {
    const seat = this.#seats.get(sessionId);
    if (seat === undefined) return Response.json({ status: "error" }, { status: 500 });
    seat.journal.note(`${this.packageName}: webhook`);
    const former = this.#sessions.get(sessionId);
    if (former !== undefined) {
      former.release();
      await new Promise((resolve) => setTimeout(resolve, releaseMs / this.#speed));
      this.#forget(sessionId, former, "close");
      seat.away();
    }
    const session = this.#session(seat, mentraOSWebsocketUrl);
    try {
      await session.connect();
    } catch {
      seat.journal.note(`${this.packageName}: no acknowledgement in time`);
      this.#zombies.add(session);
      return Response.json({ status: "error", message: "Failed to connect" }, { status: 500 });
    }
    if (this.#outage !== undefined) {
      session.dispose("crash");
      seat.away();
      return new Response(null, { status: 503 });
    }
    this.#sessions.set(sessionId, session);
    await new Promise((resolve) => setTimeout(resolve, beginningMs / this.#speed));
    session.registerHandlers();
    return Response.json({ status: "success" });
  }

  #session(seat: AppSeat, webhookUrl: string): SdkLikeSession {
    const { sessionId, packageName, lane, journal } = seat;
    const { pathname } = new URL(webhookUrl);
    const session: SdkLikeSession = new SdkLikeSession({
      sessionId,
      packageName,
      apiKey: this.#apiKey,
      url: lane === undefined ? webhookUrl : `ws://127.0.0.1:${lane.port}${pathname}`,
      speed: this.#speed,
      streams: () => seat.streams,
      onAck: ({ resume }) => {
        if (this.#zombies.has(session)) {
          journal.note(`${packageName}: acknowledged too late, as nobody`);
          seat.starts++;
          return;
        }
        journal.note(`${packageName}: acknowledged ${resume ? JSON.stringify(resume) : ""}`);
        seat.back(resume?.lost ?? 0);
      },
      onEvent: (streamType, data) => {
        if (streamType === "button_press") seat.pressed(data);
      },
      onAudio: (bytes) => {
        seat.audioBytes += bytes;
      },
      onLost: (code, reason) => {
        if (this.#zombies.has(session)) return;
        journal.note(`${packageName}: lost with ${code} ${reason}`);
        seat.away();
        this.onClosed(seat, code, reason);
      },
      onStop: (reason) => {
        if (this.#zombies.delete(session)) return;
        journal.note(`${packageName}: onStop, ${reason}`);
        seat.away();
        if (this.#sessions.get(sessionId) === session) this.#sessions.delete(sessionId);
      },
    });
    return session;
  }

  #endZombies(): void {
    for (const zombie of this.#zombies) zombie.dispose("crash");
    this.#zombies.clear();
  }

  #forget(sessionId: string, session: SdkLikeSession, how: "close" | "crash"): void {
    session.dispose(how);
    if (this.#sessions.get(sessionId) === session) this.#sessions.delete(sessionId);
  }
}
