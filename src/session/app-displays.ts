import type { Limits } from "../kernel/limits.ts";
import type { Logger } from "../kernel/log.ts";
import type { Metrics } from "../kernel/metrics.ts";
import type { AppMessage } from "../wire/apps.ts";
import type { Capabilities } from "../wire/capabilities.ts";
import { isBitmap, parseLayout } from "../wire/layouts.ts";
import type { Hop } from "../wire/refusals.ts";
import type { DisplayManager } from "./display-manager.ts";
import type { SessionApp } from "./manager.ts";

/** What the displays of apps need of their session. */
export interface AppDisplaysHost {
  readonly limits: Limits;
  readonly metrics: Metrics;
  readonly log: Logger;
  readonly display: DisplayManager;
  /** What the glasses have; undefined while their model is not known. */
  readonly capabilities: () => Capabilities | undefined;
}

interface LayoutRefusal {
  readonly code: string;
  readonly hop: Hop;
}

const refusedLayouts = {
  bad: { code: "BAD_LAYOUT", hop: "app" },
  unsupported: { code: "UNSUPPORTED_LAYOUT", hop: "glasses" },
} as const satisfies Record<string, LayoutRefusal>;

/** What apps ask to be shown: checked here, and refused or handed to the display. */
export class AppDisplays {
  readonly #host: AppDisplaysHost;

  constructor(host: AppDisplaysHost) {
    this.#host = host;
  }

  /** A display that an app asks for. */
  request(app: SessionApp, message: Extract<AppMessage, { type: "display_event" }>): void {
    const parsed = parseLayout(message.layout, this.#host.limits);
    if ("problem" in parsed) {
      this.#refuse(app, "bad_layout", refusedLayouts.bad, parsed.problem);
      return;
    }
    const capabilities = this.#host.capabilities();
    // Glasses that are not known may be able to.
    if (isBitmap(parsed.layout) && capabilities && capabilities.display?.canDisplayBitmap !== true) {
      this.#refuse(app, "no_bitmaps", refusedLayouts.unsupported, "These glasses show no pictures");
      return;
    }
    this.#host.display.request(app.packageName, {
      view: message.view ?? "main",
      layout: parsed.layout,
      durationMs: message.durationMs,
      force: message.forceDisplay ?? false,
    });
  }

  /** There is no answer to a display, so the app is told by the message that its SDK raises as an error. */
  #refuse(app: SessionApp, reason: string, refused: LayoutRefusal, message: string): void {
    this.#host.metrics.messagesRejected.inc({ side: "app", reason });
    this.#host.log.debug({ packageName: app.packageName, problem: message }, "display refused");
    app.send({ type: "tpa_connection_error", ...refused, message: `The display was refused: ${message}` });
  }
}
