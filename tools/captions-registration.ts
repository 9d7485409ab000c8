import { sha256Hex } from "../src/kernel/identity.ts";
import type { AppRecord } from "../src/store/store.ts";
import { withAppDatabase } from "./app-database.ts";

/** Puts a captions app into a data folder's catalogue, in place of the one of the same package name. */
export function registerCaptions(
  dataDir: string,
  app: { readonly packageName: string; readonly url: string; readonly apiKey: string },
): void {
  withAppDatabase(dataDir, (database) =>
    database.saveApp({
      packageName: app.packageName,
      name: "Captions",
      publicUrl: app.url,
      type: "standard",
      apiKeyHash: sha256Hex(app.apiKey),
      permissions: ["MICROPHONE"],
    }),
  );
}

/** Where the captions app of that package name, registered in the data folder, runs at this moment, if it does. */
export async function runningCaptions(dataDir: string, packageName: string): Promise<string | undefined> {
  const registered = withAppDatabase(dataDir, (database) =>
    database.apps().find((app) => app.packageName === packageName),
  );
  return registered !== undefined && (await answersAs(registered)) ? registered.publicUrl : undefined;
}

/** Whether the app answers its probe at its address. The SDK says which app it is: the port may have become another's. */
async function answersAs({ publicUrl, packageName }: AppRecord): Promise<boolean> {
  try {
    const response = await fetch(`${publicUrl}/health`, { signal: AbortSignal.timeout(2_000) });
    const { app } = (await response.json()) as { readonly app?: unknown };
    return app === packageName;
  } catch {
    return false;
  }
}
