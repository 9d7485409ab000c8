import { createHmac, randomBytes, timingSafeEqual } from "node:crypto";
import type { Clock } from "../kernel/clock.ts";
import type { PhotoNews } from "../session/ports.ts";
import type { PublicAddress } from "./public-address.ts";

/** What is expected of one upload. */
export interface PhotoExpectation {
  readonly requestId: string;
  /** Aborted when what comes would come too late. */
  readonly signal: AbortSignal;
  /** Hands news on. Returns false when they come too late. */
  take(news: PhotoNews): boolean;
}

/** How the address of an upload was received: not one of ours, one whose time or use is over, or good. */
export type UploadAddressCheck = "forged" | "over" | PhotoExpectation;

/**
 * The pictures that sessions wait for, and the addresses at which they may be uploaded. An address carries a token that
 * is signed, good for one picture and for its request's time only, and says nothing of whose picture it is.
 */
export class ExpectedPhotos {
  readonly #clock: Clock;
  readonly #address: PublicAddress;
  readonly #key: Buffer;
  readonly #byId = new Map<string, PhotoExpectation>();
  readonly #byRequest = new Map<string, PhotoExpectation>();

  /** @param secret with which the addresses are signed. */
  constructor(clock: Clock, address: PublicAddress, secret: string) {
    this.#clock = clock;
    this.#address = address;
    this.#key = createHmac("sha256", secret).update("photo upload addresses").digest();
  }

  /** Pictures that are waited for. */
  get size(): number {
    return this.#byId.size;
  }

  /**
   * Waits for a picture.
   * @param formerUrl an upload address that a former process has signed for it, which stays good.
   * @returns its upload address, and the end of the waiting, which may be called twice.
   */
  add(
    userId: string,
    requestId: string,
    untilMs: number,
    onNews: (news: PhotoNews) => void,
    formerUrl?: string,
  ): { uploadUrl: string; close: () => void } {
    const id =
      this.#signedId(formerUrl) ??
      `${randomBytes(12).toString("base64url")}.${Math.ceil(untilMs).toString(36)}`;
    const key = requestKey(userId, requestId);
    const abort = new AbortController();
    const expectation: PhotoExpectation = {
      requestId,
      signal: abort.signal,
      take: (news) => {
        if (abort.signal.aborted || this.#clock.now() >= untilMs) return false;
        onNews(news);
        return true;
      },
    };
    this.#byId.set(id, expectation);
    this.#byRequest.set(key, expectation);
    return {
      uploadUrl: `${this.#address.url}/api/photos/relay/${id}.${this.#sign(id)}`,
      close: () => {
        abort.abort();
        this.#byId.delete(id);
        if (this.#byRequest.get(key) === expectation) this.#byRequest.delete(key);
      },
    };
  }

  /** The picture that an upload address is meant for. */
  byToken(token: string): UploadAddressCheck {
    const id = this.#signedId(token);
    return id === undefined ? "forged" : (this.#byId.get(id) ?? "over");
  }

  /** The picture that a user's client means by the id of its request. */
  byRequest(userId: string, requestId: string): PhotoExpectation | undefined {
    return this.#byRequest.get(requestKey(userId, requestId));
  }

  /** The id in a token, or in an address that ends with one; undefined unless this server has signed it. */
  #signedId(token = ""): string | undefined {
    const last = token.slice(token.lastIndexOf("/") + 1);
    const cut = last.lastIndexOf(".");
    const id = last.slice(0, Math.max(0, cut));
    const given = Buffer.from(last.slice(cut + 1));
    const right = Buffer.from(this.#sign(id));
    return given.length === right.length && timingSafeEqual(given, right) ? id : undefined;
  }

  #sign(id: string): string {
    return createHmac("sha256", this.#key).update(id).digest("base64url");
  }
}

function requestKey(userId: string, requestId: string): string {
  return `${userId}\n${requestId}`;
}
