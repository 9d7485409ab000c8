/** What a model of glasses has, as apps are told. Parts that it lacks are null. */
export interface Capabilities {
  readonly modelName: string;
  readonly hasCamera: boolean;
  readonly camera: {
    readonly resolution: { readonly width: number; readonly height: number };
    readonly hasHDR: boolean;
    readonly hasFocus: boolean;
    readonly video: { readonly canRecord: boolean; readonly canStream: boolean };
  } | null;
  readonly hasDisplay: boolean;
  readonly display: {
    readonly count: number;
    readonly isColor: boolean;
    readonly color: string;
    readonly canDisplayBitmap: boolean;
    readonly resolution: { readonly width: number; readonly height: number };
    readonly fieldOfView: { readonly horizontal: number };
    readonly maxTextLines: number;
    readonly adjustBrightness: boolean;
  } | null;
  readonly hasMicrophone: boolean;
  readonly microphone: { readonly count: number; readonly hasVAD: boolean } | null;
  readonly hasSpeaker: boolean;
  readonly speaker: { readonly count: number; readonly isPrivate: boolean } | null;
  readonly hasIMU: boolean;
  readonly imu: {
    readonly axisCount: number;
    readonly hasAccelerometer: boolean;
    readonly hasCompass: boolean;
    readonly hasGyroscope: boolean;
  } | null;
  readonly hasButton: boolean;
  readonly button: {
    readonly count: number;
    readonly buttons: readonly {
      readonly type: string;
      readonly events: readonly string[];
      readonly isCapacitive: boolean;
    }[];
  } | null;
  readonly hasLight: boolean;
  readonly light: {
    readonly count: number;
    readonly lights: readonly { readonly isFullColor: boolean; readonly color?: string }[];
  } | null;
  readonly power: { readonly hasExternalBattery: boolean };
  readonly hasWifi: boolean;
}

const noParts = {
  hasCamera: false,
  camera: null,
  hasDisplay: false,
  display: null,
  hasMicrophone: false,
  microphone: null,
  hasSpeaker: false,
  speaker: null,
  hasIMU: false,
  imu: null,
  hasButton: false,
  button: null,
  hasLight: false,
  light: null,
  power: { hasExternalBattery: false },
  hasWifi: false,
} as const;

/** The model assumed for a name that is not listed: it has a display, a microphone and little else. */
const assumedModel = "Even Realities G1";

const models: Readonly<Record<string, Capabilities>> = Object.fromEntries(
  (
    [
      {
        ...noParts,
        modelName: "Even Realities G1",
        hasDisplay: true,
        display: {
          count: 2,
          isColor: false,
          color: "green",
          canDisplayBitmap: true,
          resolution: { width: 640, height: 200 },
          fieldOfView: { horizontal: 25 },
          maxTextLines: 5,
          adjustBrightness: true,
        },
        hasMicrophone: true,
        microphone: { count: 1, hasVAD: false },
        hasIMU: true,
        imu: { axisCount: 6, hasAccelerometer: true, hasCompass: false, hasGyroscope: true },
        power: { hasExternalBattery: true },
      },
      {
        ...noParts,
        modelName: "Mentra Live",
        hasCamera: true,
        camera: {
          resolution: { width: 1920, height: 1080 },
          hasHDR: false,
          hasFocus: false,
          video: { canRecord: true, canStream: true },
        },
        hasMicrophone: true,
        microphone: { count: 1, hasVAD: false },
        hasSpeaker: true,
        speaker: { count: 2, isPrivate: false },
        hasIMU: true,
        imu: { axisCount: 6, hasAccelerometer: true, hasCompass: false, hasGyroscope: true },
        hasButton: true,
        button: {
          count: 1,
          buttons: [{ type: "press", events: ["press", "double_press", "long_press"], isCapacitive: false }],
        },
        hasLight: true,
        light: { count: 1, lights: [{ isFullColor: true }] },
        hasWifi: true,
      },
      {
        ...noParts,
        modelName: "Vuzix Z100",
        hasDisplay: true,
        display: {
          count: 1,
          isColor: false,
          color: "green",
          canDisplayBitmap: true,
          resolution: { width: 640, height: 480 },
          fieldOfView: { horizontal: 30 },
          maxTextLines: 7,
          adjustBrightness: true,
        },
      },
      {
        ...noParts,
        modelName: "Simulated Glasses",
        hasCamera: true,
        camera: {
          resolution: { width: 1280, height: 720 },
          hasHDR: false,
          hasFocus: false,
          video: { canRecord: false, canStream: false },
        },
        hasDisplay: true,
        display: {
          count: 1,
          isColor: true,
          color: "full_color",
          canDisplayBitmap: true,
          resolution: { width: 640, height: 480 },
          fieldOfView: { horizontal: 30 },
          maxTextLines: 10,
          adjustBrightness: true,
        },
        hasMicrophone: true,
        microphone: { count: 1, hasVAD: true },
        hasSpeaker: true,
        speaker: { count: 1, isPrivate: false },
        hasIMU: true,
        imu: { axisCount: 3, hasAccelerometer: true, hasCompass: false, hasGyroscope: false },
        hasButton: true,
        button: {
          count: 1,
          buttons: [{ type: "press", events: ["press", "long_press"], isCapacitive: false }],
        },
        hasWifi: true,
      },
    ] satisfies Capabilities[]
  ).map((model) => [model.modelName, model]),
);

/** What glasses of this model have. A model that is not known counts as the plainest one. */
export function capabilitiesOf(modelName: string): Capabilities {
  const known = Object.hasOwn(models, modelName) ? models[modelName] : undefined;
  const assumed = models[assumedModel];
  if (known !== undefined) return known;
  if (assumed === undefined) throw new Error(`the table of models lacks ${assumedModel}`);
  return assumed;
}
