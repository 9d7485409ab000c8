import { type AudioFormat, defaultAudioFormat } from "../wire/audio-format.ts";
import { MemoryCatalogue } from "./memory-catalogue.ts";
import type { AppRecord, Store, UserRecord } from "./store.ts";

/** A store that forgets everything with the process. For tests. */
export class MemoryStore implements Store {
  readonly apps = new MemoryCatalogue();
  readonly #users = new Map<string, UserRecord>();

  loadUser(userId: string): Promise<UserRecord> {
    return Promise.resolve(this.#user(userId));
  }

  saveAudioFormat(userId: string, format: AudioFormat): void {
    this.#users.set(userId, { ...this.#user(userId), audioFormat: format });
  }

  saveWantedApp(userId: string, packageName: string, wanted: boolean): void {
    const user = this.#user(userId);
    const others = user.wantedApps.filter((name) => name !== packageName);
    if (wanted && others.length < user.wantedApps.length) return;
    this.#users.set(userId, { ...user, wantedApps: wanted ? [...others, packageName] : others });
  }

  saveApp(app: AppRecord): Promise<void> {
    this.apps.save(app);
    return Promise.resolve();
  }

  removeApp(packageName: string): Promise<boolean> {
    return Promise.resolve(this.apps.remove(packageName));
  }

  flush(): Promise<void> {
    return Promise.resolve();
  }

  close(): Promise<void> {
    return Promise.resolve();
  }

  #user(userId: string): UserRecord {
    return this.#users.get(userId) ?? { userId, audioFormat: defaultAudioFormat, wantedApps: [] };
  }
}
