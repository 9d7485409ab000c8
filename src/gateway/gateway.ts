import { isoTime } from "../kernel/clock.ts";
import type { Config } from "../kernel/config.ts";
import { Fault, type FaultCode } from "../kernel/faults.ts";
import type { SocketQueues } from "../kernel/server-probes.ts";
import { AppSocket } from "./app-socket.ts";
import { checkAppToken } from "./app-token.ts";
import { bearerToken, verifyCoreToken } from "./core-token.ts";
import { GlassesSocket } from "./glasses-socket.ts";
import { Heartbeat } from "./heartbeat.ts";
import { createHttpApi, type HttpApiParts } from "./http-api.ts";
import { listenError } from "./listen-error.ts";
import { peerAddress } from "./peer-address.ts";
import type { PublicAddress } from "./public-address.ts";
import type { Session } from "./sessions.ts";
import { SocketContext } from "./socket-context.ts";
import { readTlsFiles } from "./tls-files.ts";

type GatewaySocket = GlassesSocket | AppSocket;
type Server = Bun.Server<GatewaySocket>;

export interface GatewayParts extends Omit<HttpApiParts, "draining" | "limits"> {
  readonly config: Pick<Config, "host" | "port" | "tls" | "limits" | "targets" | "metrics" | "handover">;
  /** Told the port that the gateway listens on. */
  readonly address: PublicAddress;
}

/** Bun cuts what is idle for this many seconds, the most it allows; the heartbeat is to find the dead long before. */
const idleSeconds = 960;
/** Seconds that an HTTP request may take: the start of an app waits for the app. */
const requestSeconds = 60;

const glassesPath = /^\/(?:glasses-ws|ws\/client)\/?$/;
const appPath = /^\/(?:s\/([^/]+)\/)?app-ws\/?$/;
/**
 * The SDK derives its HTTP addresses from that of its socket, nonce and all. Only those that it calls are found there: what
 * a proxy in front of this server keeps from the world must not have a second address.
 */
const noncePrefix =
  /^\/s\/[^/]+(?=\/(?:api\/(?:sdk|public|transcripts|app-communication)\/|appsettings\/user\/|api\/(?:tts|auth\/exchange-user-token)\/?$))/;

/**
 * The one server: both sockets natively, HTTP through Elysia.
 */
export class Gateway {
  readonly #parts: GatewayParts;
  readonly #context: SocketContext;
  readonly #http: (request: Request, peer: string) => Promise<Response>;
  readonly #server: Server;
  readonly #open = new Set<GatewaySocket>();
  #sending: Promise<void> | undefined;
  #closing: Promise<void> | undefined;

  /**
   * Starts to listen.
   * @throws Error with one line for the operator when it cannot: busy port, unreadable certificate.
   */
  constructor(parts: GatewayParts) {
    const { config, clock, log, metrics } = parts;
    this.#parts = parts;
    const tls = config.tls && readTlsFiles(config.tls);
    const heartbeat = new Heartbeat(clock, config.limits.heartbeatMs, (error) => {
      metrics.errors.inc({ where: "heartbeat" });
      log.error({ err: error }, "an error was contained");
    });
    this.#context = new SocketContext({ ...parts, limits: config.limits, heartbeat });
    metrics.probes.watchSocketQueues(() => queuesOf(this.#open));
    const draining = () => this.#context.draining;
    this.#http = createHttpApi({ ...parts, limits: config.limits, draining });
    try {
      this.#server = this.#listen(tls);
    } catch (error) {
      heartbeat.stop();
      const { host, port } = config;
      throw listenError(error, { host, port, portSetting: "BROWLINE_PORT" });
    }
    parts.address.listensOn(this.port);
  }

  get port(): number {
    return this.#server.port ?? this.#parts.config.port;
  }

  /** Lets nobody in any more, and says so at `/health`. Who is in stays. Safe to call twice. */
  admitNobody(): void {
    this.#context.draining = true;
  }

  /**
   * Lets nobody in any more and closes every socket so that its client dials again: in groups, so that they do not all do
   * so in the same instant. Sessions are not touched. Safe to call twice.
   */
  sendAway(): Promise<void> {
    this.admitNobody();
    this.#sending ??= this.#sendAll();
    return this.#sending;
  }

  /** Sends everybody away, gives them a moment to hear it, and stops to listen. Safe to call twice. */
  close(): Promise<void> {
    this.#closing ??= this.#stop();
    return this.#closing;
  }

  async #sendAll(): Promise<void> {
    const { clock, config } = this.#parts;
    const { drainGroup, drainGroupMs } = config.limits;
    const sockets = [...this.#open];
    const size = Math.max(drainGroup, Math.ceil(sockets.length / 10));
    for (let i = 0; i < sockets.length; i += size) {
      if (i > 0) await new Promise<void>((resolve) => clock.after(drainGroupMs, resolve));
      for (const socket of sockets.slice(i, i + size)) socket.drain();
    }
    this.#context.heartbeat.stop();
  }

  async #stop(): Promise<void> {
    // First of all, since stopping the server closes sockets with 1001, which ends app sessions for good.
    await this.sendAway();
    const { clock, config } = this.#parts;
    let stopTimer = () => {};
    const deadline = new Promise<void>((resolve) => {
      stopTimer = clock.after(config.limits.drainMs, resolve);
    });
    await Promise.race([this.#server.stop(), deadline]);
    stopTimer();
    await this.#server.stop(true);
  }

  #listen(tls: ReturnType<typeof readTlsFiles> | undefined): Server {
    const { config } = this.#parts;
    const open = this.#open;
    return Bun.serve<GatewaySocket>({
      hostname: config.host,
      port: config.port,
      // Otherwise a second server would silently share the port of the first.
      reusePort: config.handover,
      development: false,
      idleTimeout: requestSeconds,
      maxRequestBodySize: config.limits.httpBodyBytes,
      ...(tls && { tls }),
      fetch: (request, server) => this.#fetch(request, server),
      error: (error) => this.#failed(error),
      websocket: {
        perMessageDeflate: false,
        maxPayloadLength: config.limits.messageBytes,
        // The send queue keeps the bound; this is for what slips past it, above the largest single message.
        backpressureLimit: config.limits.messageBytes + config.limits.socketQueueBytes,
        idleTimeout: idleSeconds,
        sendPings: false,
        open(ws) {
          open.add(ws.data);
          ws.data.opened(ws);
        },
        message(ws, frame) {
          ws.data.received(frame);
        },
        pong(ws, payload) {
          ws.data.ponged(payload.toString("latin1"));
        },
        drain(ws) {
          ws.data.connection?.queue.drained();
        },
        close(ws) {
          open.delete(ws.data);
          ws.data.connection?.closed();
        },
      },
    });
  }

  async #fetch(request: Request, server: Server): Promise<Response | undefined> {
    const url = new URL(request.url);
    if (glassesPath.test(url.pathname)) return this.#upgradeGlasses(request, server, url);
    const app = appPath.exec(url.pathname);
    if (app !== null) return this.#upgradeApp(request, server, app[1]);
    const prefix = noncePrefix.exec(url.pathname)?.[0] ?? "";
    // Elysia looks for the path from the twelfth character on, where that of a very short host has begun already.
    const peer = peerOf(request, server);
    if (prefix === "" && url.host.length >= 4) return this.#http(request, peer);
    url.host = "localhost";
    url.pathname = url.pathname.slice(prefix.length);
    return this.#http(new Request(url.href, request), peer);
  }

  /** Everything that can be refused is refused before the upgrade, where a client can read why. */
  async #upgradeGlasses(request: Request, server: Server, url: URL): Promise<Response | undefined> {
    const token = bearerToken(request.headers) ?? url.searchParams.get("token");
    if (!token) return this.#refuse("connection_error", new Fault("NO_TOKEN"));
    const check = await verifyCoreToken(this.#parts.tokenSecret, token, this.#parts.store.revocations);
    if (check.kind === "invalid") return this.#refuse("connection_error", new Fault(check.code));
    if (!asksForWebSocket(request)) return upgradeRequired();
    if (this.#context.draining) return this.#refuse("connection_error", new Fault("SHUTTING_DOWN"));
    let session: Session;
    try {
      session = await this.#parts.sessions.getOrCreate(check.userId);
    } catch (error) {
      if (error instanceof Fault) return this.#refuse("connection_error", error);
      this.#context.contained("glasses_upgrade", check.userId, error);
      return internalError();
    }
    return this.#upgrade(request, server, new GlassesSocket(this.#context, session));
  }

  async #upgradeApp(
    request: Request,
    server: Server,
    nonce: string | undefined,
  ): Promise<Response | undefined> {
    const peer = peerOf(request, server);
    const check = await checkAppToken(this.#parts.tokenSecret, request.headers);
    if (check.kind === "invalid") return this.#refuse("tpa_connection_error", new Fault(check.code));
    if (!asksForWebSocket(request)) return upgradeRequired();
    if (this.#context.draining) return this.#refuse("tpa_connection_error", new Fault("SHUTTING_DOWN"));
    const credentials = check.kind === "valid" ? check.credentials : undefined;
    return this.#upgrade(request, server, new AppSocket(this.#context, nonce, credentials, peer));
  }

  #upgrade(request: Request, server: Server, data: GatewaySocket): Response | undefined {
    return server.upgrade(request, { data }) ? undefined : upgradeRequired();
  }

  #refuse(type: "connection_error" | "tpa_connection_error", fault: Fault): Response {
    const { clock, metrics } = this.#parts;
    const side = type === "connection_error" ? "glasses" : "app";
    const code: FaultCode = fault.code;
    metrics.upgradesRefused.inc({ side, code });
    // Glasses get the three fields that their clients know, apps a code as well.
    const body = { type, ...(side === "app" && { code }), message: fault.message, timestamp: isoTime(clock) };
    return Response.json(body, { status: fault.status });
  }

  #failed(error: unknown): Response {
    this.#parts.metrics.errors.inc({ where: "gateway" });
    this.#parts.log.error({ err: error }, "a request failed");
    return internalError();
  }
}

function internalError(): Response {
  return Response.json({ error: "INTERNAL_ERROR", message: "Internal error" }, { status: 500 });
}

function queuesOf(sockets: Iterable<GatewaySocket>): SocketQueues {
  let total = 0;
  let most = 0;
  for (const { connection } of sockets) {
    const bytes = connection?.queue.waitingBytes ?? 0;
    total += bytes;
    most = Math.max(most, bytes);
  }
  return { total, most };
}

/** To be asked for before anything is awaited: afterwards the connection may be gone. */
function peerOf(request: Request, server: Server): string {
  return peerAddress(server.requestIP(request)?.address);
}

function asksForWebSocket(request: Request): boolean {
  return request.headers.get("upgrade")?.toLowerCase() === "websocket";
}

function upgradeRequired(): Response {
  return Response.json(
    { error: "UPGRADE_REQUIRED", message: "This address is for WebSockets" },
    { status: 426, headers: { upgrade: "websocket" } },
  );
}
