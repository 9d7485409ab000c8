import type { DeviceState } from "../wire/apps.ts";
import { type Capabilities, capabilitiesOf } from "../wire/capabilities.ts";
import type { GlassesMessage } from "../wire/glasses.ts";
import type { GlassesFacts, Manager, SessionApp, SessionContext } from "./manager.ts";

/**
 * What is known of the glasses and their surroundings: one state, put together from whatever the phone reports and in
 * whatever order. Nothing else in a session keeps an opinion of its own on whether the glasses are there.
 */

/** What a phone is told it has reported. */
export interface AppliedDeviceState {
  readonly isGlassesConnected: boolean;
  readonly isPhoneConnected: boolean;
  readonly modelName: string | null;
  readonly capabilities: Capabilities | null;
}

/**
 * The state after a report of some of its fields. A model that is named is connected and one that is taken away is not,
 * unless the report says so itself; a report of neither leaves the connection as it was.
 */
export function nextDeviceState(state: DeviceState, report: DeviceState): DeviceState {
  const { modelName } = report;
  const connected = report.connected ?? (modelName === undefined ? state.connected : Boolean(modelName));
  return {
    ...state,
    ...report,
    ...(modelName === undefined ? {} : { modelName: modelName || null }),
    ...(connected === undefined ? {} : { connected }),
  };
}

/** The fields in which `after` differs from `before`; undefined where there is none. */
export function deviceChanges(before: DeviceState, after: DeviceState): DeviceState | undefined {
  const changed = Object.entries(after).filter(
    ([name, value]) => before[name as keyof DeviceState] !== value,
  );
  return changed.length === 0 ? undefined : Object.fromEntries(changed);
}

const fieldTypes: Readonly<Record<keyof DeviceState, "boolean" | "string" | "number">> = {
  connected: "boolean",
  modelName: "string",
  wifiConnected: "boolean",
  wifiSsid: "string",
  wifiLocalIp: "string",
  batteryLevel: "number",
  charging: "boolean",
  caseBatteryLevel: "number",
  caseCharging: "boolean",
  caseOpen: "boolean",
  caseRemoved: "boolean",
  hotspotEnabled: "boolean",
  hotspotSsid: "string",
};

const longestText = 256;

/** The fields of a phone's report that are known and of their type; the others are left out. */
export function readDeviceReport(body: Readonly<Record<string, unknown>>): DeviceState {
  const known = Object.entries(fieldTypes).flatMap(([name, type]) => {
    const value = body[name];
    if (value === null && name !== "connected") return [[name, null]];
    if (typeof value !== type || (typeof value === "string" && value.length > longestText)) return [];
    return [[name, value]];
  });
  return Object.fromEntries(known);
}

/** What a status message of the phone says of the glasses. */
function connectionReport(
  message: Extract<GlassesMessage, { type: "glasses_connection_state" }>,
): DeviceState {
  const connected = message.status === "CONNECTED" || message.status === "RECONNECTED";
  const { wifi } = message;
  return readDeviceReport({
    connected,
    // A phone that has lost its glasses may name none, and still knows which it had.
    ...(connected && message.modelName ? { modelName: message.modelName } : {}),
    ...(wifi?.connected === undefined ? {} : { wifiConnected: wifi.connected }),
    ...(wifi?.ssid === undefined ? {} : { wifiSsid: wifi.ssid }),
  });
}

const connectionStream = "glasses_connection_state";

/** What is kept of the glasses in case the process ends. */
interface KeptDevice {
  readonly state: DeviceState;
  readonly modelName?: string;
  readonly status?: Extract<GlassesMessage, { type: "glasses_connection_state" }>;
}

export class DeviceManager implements Manager {
  readonly #context: SessionContext;
  readonly #onChange: (modelChanged: boolean) => void;
  #state: DeviceState = {};
  /** The model worn last. Kept while the glasses are away: what they can do has not changed. */
  #modelName: string | undefined;
  /** The phone's last status message, as apps hear it. */
  #status: Extract<GlassesMessage, { type: "glasses_connection_state" }> | undefined;

  /** @param onChange is called after every change of the state; `modelChanged`: other capabilities hold from now on. */
  constructor(context: SessionContext, onChange: (modelChanged: boolean) => void) {
    this.#context = context;
    this.#onChange = onChange;
  }

  /** Everything that has been reported. */
  get state(): DeviceState {
    return this.#state;
  }

  get facts(): GlassesFacts {
    return {
      connected: this.#state.connected !== false,
      modelName: this.#modelName,
      capabilities: this.#modelName === undefined ? undefined : capabilitiesOf(this.#modelName),
    };
  }

  /**
   * Takes a phone's report: any of the fields of `DeviceState`, as the body of `POST /api/client/device/state` holds
   * them. Fields that are not known or of a wrong type are left out. Apps are told what has changed.
   */
  applyReport(report: Readonly<Record<string, unknown>>): AppliedDeviceState {
    this.#apply(readDeviceReport(report));
    const { capabilities } = this.facts;
    return {
      isGlassesConnected: this.#state.connected === true,
      isPhoneConnected: this.#context.glassesConnected(),
      modelName: this.#state.modelName ?? null,
      capabilities: capabilities ?? null,
    };
  }

  onGlassesMessage(message: GlassesMessage): void {
    switch (message.type) {
      case "glasses_connection_state":
        this.#relayStatus(message);
        this.#apply(connectionReport(message));
        break;
      case "glasses_battery_update":
        this.#apply({ batteryLevel: message.level, charging: message.charging });
        break;
      case "core_status_update": {
        // Sent every few seconds whether or not the glasses are there, so it tells the model and nothing else.
        const modelName = message.status.status.connected_glasses["model_name"];
        if (typeof modelName === "string" && modelName !== "") {
          this.#apply(readDeviceReport({ modelName, connected: this.#state.connected ?? true }));
        }
        break;
      }
      default:
        break;
    }
  }

  keep(): KeptDevice {
    const { state, modelName, status } = {
      state: this.#state,
      modelName: this.#modelName,
      status: this.#status,
    };
    return { state, ...(modelName !== undefined && { modelName }), ...(status && { status }) };
  }

  resume({ state, modelName, status }: KeptDevice): void {
    this.#state = state;
    this.#modelName = modelName;
    this.#status = status;
  }

  onAppConnected(app: SessionApp): void {
    app.send({ type: "device_state_update", state: this.#state, fullSnapshot: true });
  }

  onAppHears(app: SessionApp, keys: readonly string[]): void {
    if (this.#status === undefined || !(keys.includes(connectionStream) || keys.includes("*"))) return;
    this.#context.publishTo(app.packageName, connectionStream, this.#status, "newest", connectionStream);
  }

  onGlassesConnected(returning: boolean): void {
    if (!returning) return;
    for (const app of this.#context.apps()) this.onAppConnected(app);
    if (this.#status !== undefined) {
      this.#context.publish(connectionStream, this.#status, "newest", connectionStream);
    }
  }

  #apply(report: DeviceState): void {
    const before = this.#state;
    this.#state = nextDeviceState(before, report);
    const changes = deviceChanges(before, this.#state);
    if (changes === undefined) return;
    this.#context.changed();
    for (const app of this.#context.apps()) {
      app.send({ type: "device_state_update", state: changes, fullSnapshot: false });
    }
    const modelName = this.#state.modelName || this.#modelName;
    const modelChanged = modelName !== undefined && modelName !== this.#modelName;
    if (modelChanged) this.#changeModel(modelName);
    this.#onChange(modelChanged);
  }

  #changeModel(modelName: string): void {
    this.#modelName = modelName;
    this.#context.log.info({ modelName }, "glasses model");
    const capabilities = capabilitiesOf(modelName);
    for (const app of this.#context.apps())
      app.send({ type: "capabilities_update", capabilities, modelName });
  }

  /** Phones repeat themselves; apps hear of a status once. */
  #relayStatus(message: Extract<GlassesMessage, { type: "glasses_connection_state" }>): void {
    const { timestamp: _former, ...former } = this.#status ?? {};
    const { timestamp: _now, ...now } = message;
    const same = Bun.deepEquals(former, now);
    this.#status = message;
    if (same) return;
    this.#context.changed();
    this.#context.publish(connectionStream, message, "newest", connectionStream);
  }
}
