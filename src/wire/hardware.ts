import type { Capabilities } from "./capabilities.ts";

/** A part of the glasses that an app can ask for. */
export type HardwarePart =
  | "CAMERA"
  | "DISPLAY"
  | "MICROPHONE"
  | "SPEAKER"
  | "IMU"
  | "BUTTON"
  | "LIGHT"
  | "WIFI";

/** What an app needs of the glasses, as its record declares it. */
export interface HardwareRequirement {
  readonly type: HardwarePart;
  /** Without a REQUIRED part the app does not run; without an OPTIONAL one it runs with less. */
  readonly level: "REQUIRED" | "OPTIONAL";
  readonly description?: string;
}

/** How an app and a pair of glasses fit together, as phones list it. */
export interface Compatibility {
  readonly isCompatible: boolean;
  readonly missingRequired: readonly HardwareRequirement[];
  readonly missingOptional: readonly HardwareRequirement[];
  /** A sentence for the user; empty where nothing is missing. */
  readonly message: string;
}

export const hardwareParts: readonly HardwarePart[] = [
  "CAMERA",
  "DISPLAY",
  "MICROPHONE",
  "SPEAKER",
  "IMU",
  "BUTTON",
  "LIGHT",
  "WIFI",
];

/** Whether glasses with these capabilities suit an app. Glasses that are not known suit every app. */
export function compatibility(
  hardware: readonly HardwareRequirement[] | undefined,
  capabilities: Capabilities | undefined,
): Compatibility {
  const missing =
    capabilities === undefined ? [] : (hardware ?? []).filter(({ type }) => !has(capabilities, type));
  const missingRequired = missing.filter(({ level }) => level === "REQUIRED");
  const missingOptional = missing.filter(({ level }) => level === "OPTIONAL");
  return {
    isCompatible: missingRequired.length === 0,
    missingRequired,
    missingOptional,
    message: sentence(capabilities?.modelName ?? "", missingRequired, missingOptional),
  };
}

function sentence(
  modelName: string,
  required: readonly HardwareRequirement[],
  optional: readonly HardwareRequirement[],
): string {
  if (required.length > 0) return `${modelName} lacks what the app needs: ${parts(required)}`;
  return optional.length > 0 ? `${modelName} lacks what the app could use: ${parts(optional)}` : "";
}

function parts(requirements: readonly HardwareRequirement[]): string {
  return [...new Set(requirements.map(({ type }) => type.toLowerCase()))].join(", ");
}

function has(capabilities: Capabilities, part: HardwarePart): boolean {
  switch (part) {
    case "CAMERA":
      return capabilities.hasCamera;
    case "DISPLAY":
      return capabilities.hasDisplay;
    case "MICROPHONE":
      return capabilities.hasMicrophone;
    case "SPEAKER":
      return capabilities.hasSpeaker;
    case "IMU":
      return capabilities.hasIMU;
    case "BUTTON":
      return capabilities.hasButton;
    case "LIGHT":
      return capabilities.hasLight;
    case "WIFI":
      return capabilities.hasWifi;
  }
}
