/**
 * An app on the unmodified SDK that does what its parent process tells it. Plain JavaScript, so that Node runs it as it is.
 */
import { createHash } from "node:crypto";
import { AppServer } from "@mentra/sdk";

const options = JSON.parse(process.env.SDK_APP ?? "{}");
/** Sessions by their id; a new session of the same id takes the place of the old one. */
const sessions = new Map();
/** What takes a handler away again, by its handle. */
const handlers = new Map();
let latestSessionId;
let handles = 0;

/** Values as JSON can carry them: bytes as their number and digest, errors as their message. */
function portable(value) {
  if (value instanceof Error) return { message: value.message };
  if (value instanceof ArrayBuffer) return portable(new Uint8Array(value));
  if (ArrayBuffer.isView(value)) {
    const bytes = new Uint8Array(value.buffer, value.byteOffset, value.byteLength);
    return { bytes: bytes.length, sha256: createHash("sha256").update(bytes).digest("hex") };
  }
  if (value instanceof Date) return value.toISOString();
  if (Array.isArray(value)) return value.map(portable);
  if (value !== null && typeof value === "object") {
    return Object.fromEntries(Object.entries(value).map(([name, field]) => [name, portable(field)]));
  }
  return typeof value === "function" ? undefined : value;
}

function report(line) {
  // The parent may be gone already when the last lines are written.
  if (process.connected) process.send(line, () => {});
}

function sessionOf(sessionId) {
  const session = sessions.get(sessionId ?? latestSessionId);
  if (session === undefined) throw new Error(`no session ${sessionId ?? ""}`);
  return session;
}

/** What `path`, such as `layouts.showTextWall`, names on the session, and the object it belongs to. */
function find(session, path) {
  const names = path.split(".");
  const last = names.pop();
  const owner = names.reduce((object, name) => object[name], session);
  if (!(last in owner)) throw new Error(`the SDK's session has no ${path}`);
  return { owner, member: owner[last] };
}

function listen(sessionId, method, args) {
  const session = sessionOf(sessionId);
  const handle = ++handles;
  const { owner, member } = find(session, method);
  const remove = member.call(owner, ...args.before, onEvent, ...args.after);
  if (typeof remove === "function") handlers.set(handle, remove);
  return handle;

  function onEvent(...values) {
    report({
      kind: "event",
      sessionId: session.getSessionId(),
      handle,
      method,
      argument: args.before[0],
      data: portable(values[0]),
      ...(values.length > 1 ? { former: portable(values[1]) } : {}),
    });
  }
}

/** In the SDK the options of a language subscription come after the handler; everywhere else the handler is last. */
function placed(method, args) {
  return method.endsWith("onTranscriptionForLanguage")
    ? { before: args.slice(0, 1), after: args.slice(1) }
    : { before: args, after: [] };
}

async function perform(command) {
  const { sessionId, method, args = [] } = command;
  switch (command.kind) {
    case "listen":
      return listen(sessionId, method, placed(method, args));
    case "unlisten":
      handlers.get(args[0])?.();
      return handlers.delete(args[0]);
    case "call": {
      const { owner, member } = find(sessionOf(sessionId), method);
      return portable(typeof member === "function" ? await member.call(owner, ...args) : member);
    }
    default:
      throw new Error(`unknown command ${command.kind}`);
  }
}

class ScriptedServer extends AppServer {
  async onSession(session, sessionId, userId) {
    sessions.set(sessionId, session);
    latestSessionId = sessionId;
    session.events.onError((error) => report({ kind: "sdkError", sessionId, message: error?.message }));
    session.events.onDisconnected((data) => {
      const { code, reason } = typeof data === "object" ? data : { reason: data };
      // On Node a close's reason comes as a Buffer.
      report({ kind: "disconnected", sessionId, code, reason: String(reason ?? "") });
    });
    report({
      kind: "session",
      sessionId,
      userId,
      settings: portable(session.getSettings()),
      capabilities: portable(session.capabilities),
    });
    const delayMs = options.slowUsers?.[userId] ?? options.onSessionDelayMs;
    if (delayMs) await new Promise((resolve) => setTimeout(resolve, delayMs));
    for (const [method, ...args] of options.listen ?? []) listen(sessionId, method, placed(method, args));
    report({ kind: "ready", sessionId });
  }

  async onStop(sessionId, userId, reason) {
    report({ kind: "stopped", sessionId, reason });
    if (options.onStop !== "own") await super.onStop(sessionId, userId, reason);
  }

  async onToolCall(call) {
    report({ kind: "tool", toolId: call.toolId, userId: call.userId });
    return `reply:${call.toolId}`;
  }
}

// A parent that is gone can neither read reports nor end this process.
process.on("disconnect", () => process.exit(0));
process.on("uncaughtException", (error) => {
  report({ kind: "crashed", message: error.message });
  process.exit(1);
});
process.on("unhandledRejection", (error) =>
  report({ kind: "unhandled", message: String(error?.message ?? error) }),
);
process.on("message", async (command) => {
  try {
    const value = await perform(command);
    report({ kind: "result", id: command.id, ...(value === undefined ? {} : { value }) });
  } catch (error) {
    report({ kind: "result", id: command.id, error: String(error?.message ?? error) });
  }
});

const server = new ScriptedServer({
  packageName: options.packageName,
  apiKey: options.apiKey,
  port: options.port,
});
// A page of the app that tells whom the SDK has recognised.
server.getExpressApp().get("/who", (request, response) => {
  response.json({ userId: request.authUserId ?? null });
});
void server.start();
