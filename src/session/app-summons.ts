import { randomBytes } from "node:crypto";
import type { Containment } from "../kernel/containment.ts";
import type { Stop } from "../kernel/stop.ts";
import type { AppCircuit } from "./app-circuit.ts";
import type { WebhookOutcome } from "./ports.ts";

/** What a summons needs of its link. */
export interface SummonsHost {
  readonly containment: Containment;
  /** The way to the app's server, which all its users share. */
  readonly circuit: () => AppCircuit;
  /** Asks the app's server to connect under a path with this nonce. Never rejects. */
  readonly sendWebhook: (nonce: string, signal: AbortSignal) => Promise<WebhookOutcome>;
  /** Whether somebody still waits for the app. */
  readonly wanted: () => boolean;
  /** The server has answered the latest webhook: the SDK does so when the app has registered its handlers. */
  readonly onAnswer: () => void;
  /**
   * The app has waited in vain for the acknowledgement of the socket that answers this webhook, and has given it up. Whether
   * that socket is of no use any more.
   */
  readonly onAbandoned: (rank: number) => boolean;
}

/** Nonces that are remembered: what dials with an older one is a straggler in any case. */
const rememberedNonces = 16;

/** Rank of a socket that answers no webhook that is remembered. */
const strangerRank = -1;

/**
 * The webhooks that one start of an app in one session was sent. Each has a nonce, which the socket that answers it brings
 * along, and the socket of the latest webhook outranks those of earlier ones.
 */
export class AppSummons {
  readonly #host: SummonsHost;
  readonly #nonces: string[] = [];
  /** Rank of the oldest nonce that is remembered. */
  #oldest = 0;
  /** Ranks of webhooks whose HTTP answer is to come, whether or not their socket has. */
  readonly #unanswered = new Set<number>();
  /** Webhooks under way, by rank: called when a socket has answered one, which may be long before its HTTP answer. */
  readonly #underWay = new Map<number, () => void>();
  /** Webhooks whose sockets their apps have given up: the SDK leaves them open, and dials again, without any handler. */
  readonly #abandoned = new Set<number>();
  readonly #abort = new AbortController();
  #cancelTurn: Stop | undefined;
  /** Changes whenever the outcome of what was sent before has ceased to matter. */
  #turn = 0;

  constructor(host: SummonsHost) {
    this.#host = host;
  }

  /** Whether the app's server is known not to answer. */
  get serverDown(): boolean {
    return this.#host.circuit().open;
  }

  /** Whether a webhook is on its way and neither answered nor followed by a socket. */
  get underWay(): boolean {
    return this.#underWay.size > 0;
  }

  /** Whether the app's server has yet to answer the webhook of this rank, which the SDK does once its handlers stand. */
  awaitsAnswer(rank: number): boolean {
    return this.#unanswered.has(rank);
  }

  /** Whether the latest webhook is. */
  get latestUnderWay(): boolean {
    return this.#underWay.has(this.latest);
  }

  /** Rank of the latest webhook; -1 before the first. */
  get latest(): number {
    return this.#oldest + this.#nonces.length - 1;
  }

  /** Whether this nonce was sent to the app's server, and so can come from nobody else. */
  knows(nonce: string | undefined): boolean {
    return nonce !== undefined && this.#nonces.includes(nonce);
  }

  /** Whether an app that dials with this nonce has given that dial up itself. */
  isAbandoned(nonce: string | undefined): boolean {
    return this.knows(nonce) && this.#abandoned.has(this.rankOf(nonce));
  }

  /**
   * Later webhooks rank higher. A socket without a nonce may answer any and ranks with the latest, where the newer one
   * wins. One with a nonce that is not known answers an earlier start, and is welcome only while there is no better one.
   */
  rankOf(nonce: string | undefined): number {
    if (nonce === undefined) return this.latest;
    const index = this.#nonces.indexOf(nonce);
    return index < 0 ? strangerRank : this.#oldest + index;
  }

  /**
   * Sends a webhook: when its turn has come, or now. One that waits for its turn is taken back by the next.
   * @param done what came of it, `accepted` as soon as its socket is there; not called once it is cancelled.
   */
  send(when: "inTurn" | "now", done: (outcome: WebhookOutcome) => void): void {
    this.cancel();
    const turn = this.#turn;
    const finish = (outcome: WebhookOutcome) => {
      if (turn === this.#turn) done(outcome);
    };
    const call = this.#call;
    if (when === "now") this.#host.containment.watch("webhook", this.tryNow().then(finish));
    else this.#cancelTurn = this.#host.circuit().queue({ ...call, done: finish });
  }

  /** Sends a webhook now, beside what may wait for its turn. */
  tryNow(): Promise<WebhookOutcome> {
    return this.#host.circuit().now(this.#call);
  }

  /** A socket of this rank was let in: the server is alive, and no webhook is needed. */
  arrived(rank: number): void {
    this.#underWay.get(rank)?.();
    this.cancel();
    this.#host.circuit().alive();
  }

  /** What waits for its turn is not sent, and what was sent is not heard of any more. */
  cancel(): void {
    this.#turn++;
    this.#cancelTurn?.();
    this.#cancelTurn = undefined;
  }

  /** Nobody waits for the app any more: what is under way to its server is called off as well. Safe to call twice. */
  close(): void {
    this.cancel();
    this.#abort.abort();
  }

  get #call() {
    const { signal } = this.#abort;
    return {
      wanted: () => !signal.aborted && this.#host.wanted(),
      send: () => this.#post(),
      onError: (error: unknown) => this.#host.containment.report("webhook", error),
    };
  }

  async #post(): Promise<WebhookOutcome> {
    const nonce = randomBytes(9).toString("base64url");
    this.#nonces.push(nonce);
    if (this.#nonces.length > rememberedNonces) {
      this.#nonces.shift();
      this.#abandoned.delete(this.#oldest++);
    }
    const rank = this.latest;
    const { promise, resolve } = Promise.withResolvers<WebhookOutcome>();
    this.#underWay.set(rank, () => resolve({ kind: "accepted" }));
    this.#unanswered.add(rank);
    const answered = this.#host.sendWebhook(nonce, this.#abort.signal).then((outcome) => {
      const hasCome = !this.#underWay.delete(rank);
      this.#unanswered.delete(rank);
      const isAbandoned = outcome.kind === "refused" && outcome.sdkError;
      if (isAbandoned && (!hasCome || this.#host.onAbandoned(rank))) this.#abandoned.add(rank);
      resolve(outcome);
      if (rank === this.latest) this.#host.onAnswer();
    });
    answered.catch((error: unknown) => {
      this.#host.containment.report("webhook", error);
      resolve({ kind: "unreachable", detail: "it could not be called" });
    });
    const outcome = await promise;
    this.#underWay.delete(rank);
    return outcome;
  }
}
