import type { UserRecord } from "../store/store.ts";
import { AppMessagesManager } from "./app-messages-manager.ts";
import { CalendarManager } from "./calendar-manager.ts";
import { DashboardManager } from "./dashboard-manager.ts";
import { DeviceManager } from "./device-manager.ts";
import { LedManager } from "./led-manager.ts";
import { LocationManager } from "./location-manager.ts";
import type { SessionContext } from "./manager.ts";
import { NotificationManager } from "./notification-manager.ts";
import { PhotoManager } from "./photo-manager.ts";
import type { SessionWorld } from "./session-world.ts";
import { SettingsManager } from "./settings-manager.ts";
import { SpeakerManager } from "./speaker-manager.ts";
import { TranslationManager } from "./translation-manager.ts";
import { UnservedManager } from "./unserved-manager.ts";
import { WifiManager } from "./wifi-manager.ts";

/** What the managers may ask of their session besides its context. */
export interface ManagersHost {
  /** What is known of the glasses has changed; `modelChanged`: they have other capabilities now. */
  readonly onDeviceChange: (modelChanged: boolean) => void;
  /** A setting of the user's phone, or one for all apps, has changed. */
  readonly onSettings: () => void;
}

export type Managers = ReturnType<typeof createManagers>;

/** The departments of a session beside its apps, sound and display, in the order in which they are told things. */
export function createManagers(
  context: SessionContext,
  world: SessionWorld,
  user: UserRecord,
  host: ManagersHost,
) {
  const settings = new SettingsManager(context, user.settings, world.catalogue, world.users, () => {
    host.onSettings();
    dashboard.refresh();
  });
  const device = new DeviceManager(context, (modelChanged) => {
    host.onDeviceChange(modelChanged);
    dashboard.refresh();
  });
  const location = new LocationManager(context, world.users, user.settings.apps);
  const calendar = new CalendarManager(context, () => dashboard.refresh());
  const notifications = new NotificationManager(context, () => dashboard.refresh());
  const dashboard = new DashboardManager(context, {
    builtIn: world.config.builtInDashboard,
    settings,
    device: () => device.state,
    calendar,
    notifications,
  });
  const speaker = new SpeakerManager(context, world.publicUrl);
  const led = new LedManager(context);
  const photo = new PhotoManager(context, world.photos, world.catalogue);
  const wifi = new WifiManager(context);
  const translation = new TranslationManager(context);
  const appMessages = new AppMessagesManager(context, world.rooms);
  const unserved = new UnservedManager(context);
  return {
    settings,
    device,
    location,
    calendar,
    notifications,
    dashboard,
    speaker,
    led,
    photo,
    wifi,
    translation,
    appMessages,
    unserved,
  };
}
