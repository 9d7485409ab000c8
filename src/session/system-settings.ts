import type { Values } from "../store/store.ts";
import { defaultSystemSettings, type SystemSettings } from "../wire/apps.ts";
import type { GlassesMessage } from "../wire/glasses.ts";

type CoreStatus = Extract<GlassesMessage, { type: "core_status_update" }>["status"]["status"];

/** Where a phone keeps what apps know as a system setting, and of which kind it is. */
interface Source {
  readonly part: "core_info" | "glasses_settings";
  /** The field of the status message, which is also the key of the phone's own setting. */
  readonly field: string;
  readonly kind: "boolean" | "number";
}

const core = (field: string, kind: Source["kind"] = "boolean"): Source => ({
  part: "core_info",
  field,
  kind,
});
const glasses = (field: string, kind: Source["kind"] = "number"): Source => ({
  part: "glasses_settings",
  field,
  kind,
});

const sources: Readonly<Record<string, Source>> = {
  useOnboardMic: core("force_core_onboard_mic"),
  contextualDashboard: core("contextual_dashboard_enabled"),
  metricSystemEnabled: core("metric_system_enabled"),
  sensingEnabled: core("sensing_enabled"),
  alwaysOnStatusBar: core("always_on_status_bar_enabled"),
  bypassVad: core("bypass_vad_for_debugging"),
  bypassAudioEncoding: core("bypass_audio_encoding_for_debugging"),
  enforceLocalTranscription: core("enforce_local_transcription"),
  brightness: glasses("brightness"),
  autoBrightness: glasses("auto_brightness", "boolean"),
  dashboardHeight: glasses("dashboard_height"),
  dashboardDepth: glasses("dashboard_depth"),
  headUpAngle: glasses("head_up_angle"),
};

/** All system settings of a user, of which `own` are those ever set. */
export function completeSettings(own: Values): SystemSettings {
  return { ...defaultSystemSettings, ...own };
}

/** What a phone's status message says about system settings. What is absent or of another kind is left out. */
export function settingsOfStatus(status: CoreStatus): Values {
  return collect(({ part, field }) => status[part][field]);
}

/** The system settings among a phone's own settings. */
export function settingsOfPhone(settings: Values): Values {
  return collect(({ field }) => (Object.hasOwn(settings, field) ? settings[field] : undefined));
}

function collect(read: (source: Source) => unknown): Values {
  return Object.fromEntries(
    Object.entries(sources)
      .map(([name, source]) => [name, source, read(source)] as const)
      .filter(([, { kind }, value]) => (kind === "number" ? Number.isFinite(value) : typeof value === kind))
      .map(([name, , value]) => [name, value]),
  );
}
