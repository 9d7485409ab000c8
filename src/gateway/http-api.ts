import { Elysia } from "elysia";
import { accountApi } from "./api/account.ts";
import { adminApi } from "./api/admin.ts";
import type { ApiParts } from "./api/api-parts.ts";
import { appApi } from "./api/apps.ts";
import { docsApi } from "./api/docs.ts";
import { phoneApi } from "./api/phone.ts";
import { photoApi } from "./api/photos.ts";
import { sdkApi } from "./api/sdk.ts";
import { serverApi } from "./api/server.ts";
import { settingApi } from "./api/settings.ts";
import { storageApi } from "./api/storage.ts";
import { ttsApi } from "./api/tts.ts";
import { userApi } from "./api/users.ts";
import { RateLimiter } from "./rate-limiter.ts";

export type { HealthReport } from "./api/api-parts.ts";

export type HttpApiParts = Omit<ApiParts, "rates" | "peerOf">;

/**
 * Everything the server says over HTTP apart from upgrades. Answers always; a failure inside is a bare 500.
 * @returns takes a request and the address of the peer that it came from.
 */
export function createHttpApi(given: HttpApiParts): (request: Request, peer: string) => Promise<Response> {
  const { clock, limits, log, metrics } = given;
  const peers = new WeakMap<Request, string>();
  const parts: ApiParts = {
    ...given,
    rates: new RateLimiter(clock, limits.rateKeys),
    peerOf: (request) => peers.get(request) ?? "",
  };
  const api = new Elysia()
    .onError(({ code, error, request }) => {
      if (code === "NOT_FOUND") {
        return Response.json({ error: "NOT_FOUND", message: "There is nothing here" }, { status: 404 });
      }
      metrics.errors.inc({ where: "http" });
      log.error({ err: error, method: request.method }, "an HTTP request failed");
      return Response.json({ error: "INTERNAL_ERROR", message: "Internal error" }, { status: 500 });
    })
    .use(docsApi())
    .use(serverApi(parts))
    .use(phoneApi(parts))
    .use(photoApi(parts))
    .use(appApi(parts))
    .use(settingApi(parts))
    .use(storageApi(parts))
    .use(sdkApi(parts))
    .use(ttsApi(parts))
    .use(accountApi(parts))
    .use(adminApi(parts))
    .use(userApi(parts));
  return (request, peer) => {
    peers.set(request, peer);
    return Promise.resolve(api.handle(request));
  };
}
