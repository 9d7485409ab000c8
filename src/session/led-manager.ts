import { randomBytes } from "node:crypto";
import type { AppMessage } from "../wire/apps.ts";
import type { GlassesMessage, ToGlasses } from "../wire/glasses.ts";
import { type RefusalCode, refusal } from "../wire/refusals.ts";
import type { Manager, SessionApp, SessionContext } from "./manager.ts";

type LedOrder = Extract<AppMessage, { type: "rgb_led_control" }>;

/** Some milliseconds of light and dark, so many times. Phones expect every field. */
const plainLight = { color: "red", ontime: 1_000, offtime: 0, count: 1 } as const;

interface Asked {
  readonly packageName: string;
  readonly untilMs: number;
}

/** What is kept of the light in case the process ends. */
interface KeptLight {
  readonly asked: readonly (readonly [requestId: string, who: Asked])[];
  readonly lit?: Asked;
}

/**
 * Hands the apps' orders to the light on the glasses. The last order wins whoever gave it; an app that ends while its
 * light is on leaves it dark.
 */
export class LedManager implements Manager {
  readonly #context: SessionContext;
  /** Who asked, by the request's id; oldest first. */
  readonly #asked = new Map<string, Asked>();
  /** Whose light is on, and until when. */
  #lit: Asked | undefined;

  constructor(context: SessionContext) {
    this.#context = context;
  }

  /** Orders whose outcome is awaited. */
  get open(): number {
    return this.#asked.size;
  }

  onAppMessage(app: SessionApp, message: AppMessage): boolean {
    if (message.type !== "rgb_led_control") return false;
    const code = this.#light(app, message);
    if (code === undefined) return true;
    this.#context.metrics.requestsRefused.inc({ request: message.type, code });
    app.send({ type: "rgb_led_control_response", requestId: message.requestId, ...refusal(code) });
    return true;
  }

  onGlassesMessage(message: GlassesMessage): void {
    if (message.type !== "rgb_led_control_response") return;
    const asked = this.#asked.get(message.requestId);
    if (this.#asked.delete(message.requestId)) this.#context.changed();
    if (asked === undefined) {
      this.#context.metrics.messagesRejected.inc({ side: "glasses", reason: "nothing_asked" });
      return;
    }
    const { requestId, success, error } = message;
    this.#context.app(asked.packageName)?.send({
      type: "rgb_led_control_response",
      requestId,
      success,
      ...(typeof error === "string" ? { error } : {}),
    });
  }

  onAppGone(packageName: string): void {
    for (const [requestId, asked] of [...this.#asked]) {
      if (asked.packageName === packageName) this.#asked.delete(requestId);
    }
    if (this.#lit?.packageName !== packageName) return;
    const stillOn = this.#context.clock.now() < this.#lit.untilMs;
    this.#lit = undefined;
    if (!stillOn) return;
    const requestId = `led_off_${randomBytes(6).toString("hex")}`;
    this.#context.sendToGlasses(this.#toGlasses(packageName, requestId, "off", plainLight));
  }

  keep(): KeptLight | undefined {
    if (this.#lit === undefined && this.#asked.size === 0) return undefined;
    return { asked: [...this.#asked], ...(this.#lit && { lit: this.#lit }) };
  }

  resume({ asked, lit }: KeptLight): void {
    for (const [requestId, who] of asked) this.#asked.set(requestId, who);
    this.#lit = lit;
  }

  dispose(): void {
    this.#asked.clear();
    this.#lit = undefined;
  }

  /** Passes an order on to the glasses, or says why not. */
  #light({ packageName }: SessionApp, order: LedOrder): RefusalCode | undefined {
    const { clock, glasses, glassesConnected, limits } = this.#context;
    const { requestId, action } = order;
    if (!glassesConnected()) return "PHONE_NOT_CONNECTED";
    const { connected, capabilities } = glasses();
    if (!connected) return "GLASSES_NOT_CONNECTED";
    if (capabilities?.hasLight === false) return "HARDWARE_MISSING";
    this.#forgetOld();
    const open = this.#asked.get(requestId);
    if (open !== undefined && open.packageName !== packageName) return "DUPLICATE_REQUEST";
    const light = {
      color: order.color ?? plainLight.color,
      ontime: order.ontime ?? plainLight.ontime,
      offtime: order.offtime ?? plainLight.offtime,
      count: order.count ?? plainLight.count,
    };
    const sent = this.#context.sendToGlasses(this.#toGlasses(packageName, requestId, action, light));
    if (sent === "dropped") return "PHONE_NOT_CONNECTED";
    const nowMs = clock.now();
    this.#asked.delete(requestId);
    this.#asked.set(requestId, { packageName, untilMs: nowMs + limits.ledAnswerMs });
    const lastsMs = light.count * (light.ontime + light.offtime);
    this.#context.changed();
    this.#lit = action === "on" ? { packageName, untilMs: nowMs + lastsMs } : undefined;
    return undefined;
  }

  #toGlasses(
    packageName: string,
    requestId: string,
    action: "on" | "off",
    light: { color: string; ontime: number; offtime: number; count: number },
  ): ToGlasses {
    return {
      type: "rgb_led_control",
      sessionId: this.#context.userId,
      requestId,
      appId: packageName,
      packageName,
      action,
      ...light,
    };
  }

  /** Phones need not answer these, so the oldest are given up without a word. Leaves room for one more. */
  #forgetOld(): void {
    const { clock, limits } = this.#context;
    for (const [requestId, { untilMs }] of this.#asked) {
      if (untilMs > clock.now() && this.#asked.size < limits.ledOrders) return;
      this.#asked.delete(requestId);
    }
  }
}
