import type { Stop } from "../kernel/stop.ts";
import type { AppCatalogue, CatalogueChange } from "../store/store.ts";
import { essenceOf } from "./app-essence.ts";
import type { UserSession } from "./user-session.ts";

/**
 * What a change of an app's record means where the app runs: nothing, or that it has to stop, or that it has to begin anew,
 * since its socket was let in under a key, and has opened what it was permitted, that may not count any more. Pure.
 */
export function consequenceOf({ former, app }: CatalogueChange): "none" | "stop" | "restart" {
  if (former === undefined) return "none";
  if (app === undefined) return "stop";
  return essenceOf(former) === essenceOf(app) ? "none" : "restart";
}

/**
 * Puts what changes in the catalogue into force in every session, whoever has changed it: the admin API, or a command
 * beside the server.
 * @param onError what went wrong in one session; the others are told all the same.
 */
export function watchCatalogue(
  catalogue: AppCatalogue,
  sessions: () => Iterable<Pick<UserSession, "apps">>,
  onError: (error: unknown) => void,
): Stop {
  return catalogue.onChange((change) => {
    const consequence = consequenceOf(change);
    if (consequence === "none") return;
    for (const { apps } of [...sessions()]) {
      try {
        if (consequence === "restart") apps.renew(change.packageName);
        else apps.stop(change.packageName, "system_stop");
      } catch (error) {
        onError(error);
      }
    }
  });
}
