import { EventLog } from "./event-log.ts";

/** One frame that has passed the relay. */
export interface RelayedFrame {
  readonly sessionId: string;
  readonly from: "app" | "server";
  /** The message of a text frame, or the size of a binary one. */
  readonly message: { readonly type: string; readonly [field: string]: unknown } | { readonly bytes: number };
}

/** One attempt of an app to connect. */
export interface RelayedDial {
  readonly path: string;
  /** Undefined on the first dial of a path: nobody has said yet whose it is. */
  readonly sessionId: string | undefined;
  readonly refused: boolean;
}

/** One request of the server to an app. */
export interface RelayedRequest {
  readonly packageName: string;
  readonly path: string;
  readonly body: { readonly type?: string; readonly [field: string]: unknown };
}

/** A connection that the server has closed. */
export interface RelayedClose {
  readonly sessionId: string | undefined;
  readonly code: number;
}

interface Connection {
  readonly path: string;
  sessionId: string | undefined;
  upstream: WebSocket | undefined;
  waiting: (string | Uint8Array<ArrayBuffer>)[];
}

/**
 * Stands between the server and its apps, in both directions: every frame and every request passes through it and is
 * written down, and connections can be cut, closed with any code and refused, session by session. Neither side is changed.
 */
export class AppRelay {
  readonly frames = new EventLog<RelayedFrame>();
  readonly dials = new EventLog<RelayedDial>();
  readonly requests = new EventLog<RelayedRequest>();
  /** Closes of the server's. */
  readonly closes = new EventLog<RelayedClose>();
  /** Changes what the server asks of the apps on its way. */
  rewrite: (body: RelayedRequest["body"]) => RelayedRequest["body"] = (body) => body;
  readonly #server: Bun.Server<Connection>;
  readonly #apps = new Map<string, string>();
  readonly #sessionOfPath = new Map<string, string>();
  readonly #refused = new Set<string>();
  readonly #unreachable = new Set<string>();
  readonly #delaysMs = new Map<string, number>();
  readonly #sockets = new Set<Bun.ServerWebSocket<Connection>>();
  #target = "";

  constructor() {
    this.#server = Bun.serve<Connection>({
      hostname: "127.0.0.1",
      port: 0,
      fetch: (request, server) => this.#fetch(request, server),
      websocket: {
        open: (socket) => this.#opened(socket),
        message: (socket, frame) => this.#fromApp(socket, frame),
        close: ({ data }, code) => {
          for (const socket of this.#sockets) if (socket.data === data) this.#sockets.delete(socket);
          // A close that was meant is passed on as such; all else is a loss.
          if (code === 1000 || code === 1005) data.upstream?.close();
          else data.upstream?.terminate();
        },
      },
    });
  }

  /** Address to give the server as its own public one. */
  get url(): string {
    return `http://127.0.0.1:${this.#server.port}`;
  }

  /** The server's real address, `http://...` without a path. */
  to(target: string): void {
    this.#target = target;
  }

  /** Address to register for an app in place of its own one. */
  app(packageName: string, url: string): string {
    this.#apps.set(packageName, url);
    return `${this.url}/apps/${packageName}`;
  }

  /** Closes a session's connections towards the app with this code; the server sees a lost connection. */
  close(sessionId: string, code: number, reason: string): void {
    for (const socket of this.#of(sessionId)) socket.close(code, reason);
  }

  /** Cuts a session's connections without a word; both sides see 1006. */
  cut(sessionId: string): void {
    for (const socket of this.#of(sessionId)) socket.terminate();
  }

  /**
   * Cuts a session's connections without a word, and refuses new dials under the same address from now on.
   * @param everywhere under new addresses as well, as in an outage.
   */
  refuse(sessionId: string, everywhere = false): void {
    this.#refused.add(sessionId);
    if (everywhere) this.#unreachable.add(sessionId);
    for (const socket of this.#of(sessionId)) socket.terminate();
  }

  admit(sessionId: string): void {
    this.#refused.delete(sessionId);
    this.#unreachable.delete(sessionId);
  }

  /** From now on what the server says takes so long on its way to a session's app. */
  delay(sessionId: string, delayMs: number): void {
    this.#delaysMs.set(sessionId, delayMs);
  }

  /** Connections of a session that are open. */
  open(sessionId: string): number {
    return this.#of(sessionId).length;
  }

  /** Text messages of a session in one direction, oldest first. */
  messages(
    sessionId: string,
    from: "app" | "server",
  ): { readonly type: string; readonly [field: string]: unknown }[] {
    return this.frames.events.flatMap((frame) =>
      frame.sessionId === sessionId && frame.from === from && "type" in frame.message ? [frame.message] : [],
    );
  }

  async stop(): Promise<void> {
    await this.#server.stop(true);
  }

  #of(sessionId: string): Bun.ServerWebSocket<Connection>[] {
    return [...this.#sockets].filter(({ data }) => data.sessionId === sessionId);
  }

  async #fetch(request: Request, server: Bun.Server<Connection>): Promise<Response | undefined> {
    const { pathname, search } = new URL(request.url);
    if (pathname.endsWith("/app-ws")) return this.#dial(request, server, pathname);
    const [, app = "", rest = ""] = /^\/apps\/([^/]+)(\/.*)$/.exec(pathname) ?? [];
    const appUrl = this.#apps.get(app);
    const received = request.body === null ? undefined : await request.arrayBuffer();
    const body = appUrl === undefined ? received : this.#noted(app, rest, received);
    const headers = new Headers(request.headers);
    headers.delete("host");
    headers.delete("content-length");
    try {
      return await fetch(appUrl === undefined ? `${this.#target}${pathname}${search}` : `${appUrl}${rest}`, {
        method: request.method,
        headers,
        ...(body === undefined ? {} : { body }),
      });
    } catch {
      return new Response("nobody is there", { status: 502 });
    }
  }

  /** Writes a request down. Only JSON is read, and possibly changed. */
  #noted(packageName: string, path: string, body: ArrayBuffer | undefined): ArrayBuffer | string | undefined {
    let sent: RelayedRequest["body"] = {};
    try {
      sent = this.rewrite(JSON.parse(new TextDecoder().decode(body)));
    } catch {
      return body;
    } finally {
      this.requests.add({ packageName, path, body: sent });
      this.#foresee(sent);
    }
    return JSON.stringify(sent);
  }

  /** Whose the address in a webhook is, where its dials are to be refused from the first on. */
  #foresee({ sessionId, augmentOSWebsocketUrl: url }: RelayedRequest["body"]): void {
    if (typeof sessionId !== "string" || typeof url !== "string") return;
    if (this.#unreachable.has(sessionId)) this.#sessionOfPath.set(new URL(url).pathname, sessionId);
  }

  #dial(request: Request, server: Bun.Server<Connection>, path: string): Response | undefined {
    const sessionId = this.#sessionOfPath.get(path);
    const refused = sessionId !== undefined && this.#refused.has(sessionId);
    this.dials.add({ path, sessionId, refused });
    if (refused) return new Response("refused", { status: 503 });
    const data: Connection = { path, sessionId, upstream: undefined, waiting: [] };
    return server.upgrade(request, { data }) ? undefined : new Response("no upgrade", { status: 400 });
  }

  #opened(socket: Bun.ServerWebSocket<Connection>): void {
    const { data } = socket;
    this.#sockets.add(socket);
    const upstream = new WebSocket(`${this.#target.replace(/^http/, "ws")}${data.path}`);
    upstream.binaryType = "arraybuffer";
    data.upstream = upstream;
    upstream.onopen = () => {
      for (const frame of data.waiting.splice(0)) upstream.send(frame);
    };
    upstream.onmessage = ({ data: frame }: MessageEvent<string | ArrayBuffer>) => {
      const sent = typeof frame === "string" ? frame : new Uint8Array(frame);
      const pass = () => {
        this.#record(data, "server", sent);
        socket.send(sent);
      };
      const delayMs = this.#delaysMs.get(data.sessionId ?? "") ?? 0;
      if (delayMs > 0) setTimeout(pass, delayMs);
      else pass();
    };
    upstream.onclose = ({ code, reason }) => {
      this.closes.add({ sessionId: data.sessionId, code });
      if (code === 1005 || code === 1006) socket.terminate();
      else socket.close(code, reason);
    };
  }

  #fromApp(socket: Bun.ServerWebSocket<Connection>, frame: string | Buffer<ArrayBuffer>): void {
    const { data } = socket;
    this.#record(data, "app", frame);
    if (data.upstream?.readyState === WebSocket.OPEN) data.upstream.send(frame);
    else data.waiting.push(typeof frame === "string" ? frame : new Uint8Array(frame));
  }

  #record(connection: Connection, from: "app" | "server", frame: string | Uint8Array): void {
    const message: RelayedFrame["message"] =
      typeof frame === "string" ? JSON.parse(frame) : { bytes: frame.byteLength };
    if ("type" in message && message.type === "tpa_connection_init") {
      const sessionId = String(message["sessionId"]);
      connection.sessionId = sessionId;
      this.#sessionOfPath.set(connection.path, sessionId);
    }
    this.frames.add({ sessionId: connection.sessionId ?? "", from, message });
  }
}
