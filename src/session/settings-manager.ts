import type { AppCatalogue, UserSettings, UserStore, Values } from "../store/store.ts";
import type { AppSetting, SystemSettings } from "../wire/apps.ts";
import type { GlassesMessage } from "../wire/glasses.ts";
import { settingsWithValues } from "./app-settings.ts";
import type { Manager, SessionApp, SessionContext } from "./manager.ts";
import { completeSettings, settingsOfPhone, settingsOfStatus } from "./system-settings.ts";

/**
 * What the user has set: for the glasses and all apps alike, for each app, and on the phone. Kept as soon as it is said.
 * Every app is told of a change to the system settings, and always of all of them, since the SDK takes what it is told
 * for the whole; an app whose own settings change is told those and then the system settings again, because the SDK
 * loses them over the former.
 */
export class SettingsManager implements Manager {
  readonly #context: SessionContext;
  readonly #catalogue: AppCatalogue;
  readonly #users: UserStore;
  readonly #onChange: () => void;
  #system: Values;
  #phone: Values;
  readonly #apps: Map<string, Values>;

  /** @param onChange called when a setting of the phone, or one for all apps, has changed. */
  constructor(
    context: SessionContext,
    settings: UserSettings,
    catalogue: AppCatalogue,
    users: UserStore,
    onChange: () => void = () => {},
  ) {
    this.#context = context;
    this.#onChange = onChange;
    this.#catalogue = catalogue;
    this.#users = users;
    this.#system = settings.system;
    this.#phone = settings.phone;
    this.#apps = new Map(Object.entries(settings.apps));
  }

  /** All system settings. */
  get system(): SystemSettings {
    return completeSettings(this.#system);
  }

  /** What the user's phone keeps here, by the phone's own keys. */
  get phone(): Values {
    return this.#phone;
  }

  /** What the user has set for an app. */
  valuesOf(packageName: string): Values {
    return this.#apps.get(packageName) ?? {};
  }

  /** An app's settings with the user's values, as the app learns them. */
  settingsOf(packageName: string): readonly AppSetting[] {
    return settingsWithValues(this.#catalogue.get(packageName)?.settings, this.valuesOf(packageName));
  }

  /** Takes values that have been checked against the app's settings, keeps them and tells the app. */
  changeApp(packageName: string, changes: Values): void {
    this.#apps.set(packageName, { ...this.valuesOf(packageName), ...changes });
    for (const [key, value] of Object.entries(changes)) {
      this.#users.saveSetting(this.#context.userId, { packageName }, key, value);
    }
    const app = this.#context.app(packageName);
    if (app === undefined) return;
    // An app that is away learns both with its next acknowledgement.
    app.send({ type: "settings_update", packageName, settings: this.settingsOf(packageName) });
    this.#tellSystem(app);
  }

  /** Takes settings of the phone; those that are system settings as well take effect as such. `undefined` removes one. */
  changePhone(changes: Values): void {
    const former = this.#phone;
    this.#phone = Object.fromEntries(
      Object.entries({ ...former, ...changes }).filter(([, value]) => value !== undefined),
    );
    for (const [key, value] of Object.entries(changes)) {
      if (!Bun.deepEquals(former[key], value)) {
        this.#users.saveSetting(this.#context.userId, "phone", key, value);
      }
    }
    if (this.#changeSystem(settingsOfPhone(changes))) this.#tellGlasses();
    this.#onChange();
  }

  onGlassesMessage(message: GlassesMessage): void {
    switch (message.type) {
      case "core_status_update":
        if (this.#changeSystem(settingsOfStatus(message.status.status))) this.#onChange();
        break;
      case "request_settings":
        this.#tellGlasses();
        break;
      case "settings_update_request":
        this.#tellGlasses("The current settings");
        break;
      default:
        break;
    }
  }

  /** Whether anything is different now. */
  #changeSystem(values: Values): boolean {
    const before = this.system;
    const changed = Object.entries(values).filter(([key, value]) => before[key] !== value);
    if (changed.length === 0) return false;
    this.#system = { ...this.#system, ...Object.fromEntries(changed) };
    for (const [key, value] of changed) {
      this.#users.saveSetting(this.#context.userId, "system", key, value);
    }
    for (const app of this.#context.apps()) this.#tellSystem(app);
    return true;
  }

  #tellSystem(app: SessionApp): void {
    app.send({ type: "augmentos_settings_update", sessionId: app.sessionId, settings: this.system });
  }

  /** @param message for a phone that asked, and wants to read that it was heard. */
  #tellGlasses(message?: string): void {
    this.#context.sendToGlasses({
      type: "settings_update",
      sessionId: this.#context.userId,
      settings: this.system,
      ...(message === undefined ? {} : { success: true, message }),
    });
  }
}
