import type { AppMessage } from "../wire/apps.ts";
import { type RefusalCode, refusalError } from "../wire/refusals.ts";
import type { Manager, SessionApp, SessionContext } from "./manager.ts";

/** Has the phone ask its user to set up the Wi-Fi of the glasses, when an app needs it. */
export class WifiManager implements Manager {
  readonly #context: SessionContext;

  constructor(context: SessionContext) {
    this.#context = context;
  }

  onAppMessage(app: SessionApp, message: AppMessage): boolean {
    if (message.type !== "request_wifi_setup") return false;
    const code = this.#show(app.packageName, message.reason);
    if (code === undefined) return true;
    this.#context.metrics.requestsRefused.inc({ request: message.type, code });
    app.send(refusalError(code));
    return true;
  }

  /** Passes the wish on to the phone, or says why not. */
  #show(appPackageName: string, reason: string | undefined): RefusalCode | undefined {
    const { glasses, glassesConnected, sendToGlasses } = this.#context;
    if (!glassesConnected()) return "PHONE_NOT_CONNECTED";
    const { connected, capabilities } = glasses();
    if (!connected) return "GLASSES_NOT_CONNECTED";
    if (capabilities?.hasWifi === false) return "HARDWARE_MISSING";
    const why = reason === undefined ? {} : { reason };
    return sendToGlasses({ type: "show_wifi_setup", ...why, appPackageName }) === "dropped"
      ? "PHONE_NOT_CONNECTED"
      : undefined;
  }
}
