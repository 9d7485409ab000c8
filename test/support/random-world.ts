import type { WebhookOutcome } from "../../src/session/ports.ts";
import type { SessionRequest } from "../../src/wire/apps.ts";
import { appRecord, FakeWorld } from "./fake-world.ts";
import { latenciesMs, type Photo, packages, UserLife } from "./random-life.ts";

/** How the server of an app deals with webhooks. */
interface Mood {
  readonly kind: "connects" | "sdkError" | "notFound" | "unreachable" | "never";
  readonly latencyMs: number;
}

const moods = ["connects", "connects", "connects", "sdkError", "notFound", "unreachable", "never"] as const;

/** A world whose app servers and glasses do what a script says. */
export class RandomWorld extends FakeWorld {
  readonly lives: readonly UserLife[];
  /** Every picture that was asked for, whoever asked. */
  readonly photoOf = new Map<string, Photo>();
  /** The first rule that was broken outside of a step. */
  broken: unknown;
  readonly #moods = new Map<string, Mood>();

  constructor(users: number) {
    super({}, { bootCardMs: 1_500 });
    for (const [i, name] of packages.entries()) {
      const type = i < 2 ? "standard" : "background";
      // One of them needs what not all glasses have.
      const hardware = i === 4 ? ([{ type: "CAMERA", level: "REQUIRED" }] as const) : [];
      this.records.set(name, appRecord(name, { type, hardware, publicUrl: `http://${name}` }));
    }
    this.lives = Array.from({ length: users }, (_, i) => new UserLife(this, i));
    this.webhooks.answer = (request) =>
      this.#answer(request).catch((error: unknown) => {
        this.broken ??= error;
        return { kind: "unreachable", detail: "a broken rule" };
      });
    this.webhooks.healthy = ({ packageName }) => this.#moodOf(packageName).kind !== "unreachable";
  }

  /** A server changes its ways; one that is gone has lost the sockets of all its users. */
  changeServer(packageName: string, pick: number): void {
    const kind = moods[pick % moods.length] ?? "connects";
    this.#moods.set(packageName, { kind, latencyMs: latenciesMs[pick % latenciesMs.length] ?? 0 });
    if (kind === "unreachable") for (const life of this.lives) life.dropApp(packageName);
  }

  /** An app is registered anew, with or without its permissions. */
  renew(packageName: string, pick: number): void {
    const record = this.records.get(packageName);
    if (record === undefined) return;
    this.records.set(packageName, { ...record, permissions: pick % 3 === 0 ? [] : ["ALL"] });
    for (const { session } of this.lives) if (session?.disposed === false) session.apps.renew(packageName);
  }

  #moodOf(packageName: string): Mood {
    return this.#moods.get(packageName) ?? { kind: "connects", latencyMs: 20 };
  }

  async #answer({ sessionId, userId, mentraOSWebsocketUrl }: SessionRequest): Promise<WebhookOutcome> {
    const packageName = sessionId.slice(userId.length + 1);
    const { kind, latencyMs } = this.#moodOf(packageName);
    const life = this.lives.find(({ email }) => email === userId);
    const nonce = mentraOSWebsocketUrl.split("/").at(-2) ?? "";
    const nonces = life?.nonces.get(packageName) ?? [];
    life?.nonces.set(packageName, [nonce, ...nonces].slice(0, 20));
    await this.#after(kind === "never" ? this.limits.webhookMs : latencyMs);
    switch (kind) {
      case "connects":
        if (life?.connectApp(packageName, nonce)) return { kind: "accepted" };
        await this.#after(5_000);
        return { kind: "refused", status: 500, sdkError: true };
      case "sdkError":
        return { kind: "refused", status: 500, sdkError: true };
      case "notFound":
        return { kind: "refused", status: 404, sdkError: false };
      case "unreachable":
      case "never":
        return { kind: "unreachable", detail: kind };
    }
  }

  #after(ms: number): Promise<void> {
    return new Promise((resolve) => this.clock.after(ms, resolve));
  }
}
