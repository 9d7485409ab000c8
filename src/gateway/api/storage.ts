import { Type } from "@sinclair/typebox";
import { canonicalUserId } from "../../kernel/identity.ts";
import type { AppRecord } from "../../store/store.ts";
import { type Answer, answer, refusal, refusalSchema, succeeded } from "./answer.ts";
import type { EndpointParts } from "./api-parts.ts";
import { Endpoints, tooMany } from "./endpoints.ts";

const ofUser = "/api/sdk/simple-storage/:userId";
const ofKey = `${ofUser}/:key`;

/** What apps keep for each of their users. An app sees its own entries only, and keys mean nothing here. */
export function storageApi(parts: EndpointParts) {
  const { limits, rates, store } = parts;

  /** Runs for one user of one app, within the rate of the two. */
  const within = async (
    app: AppRecord,
    user: string | undefined,
    run: (userId: string) => Promise<Answer>,
  ): Promise<Answer> => {
    const userId = canonicalUserId(user ?? "");
    if (userId === "") return refusal(400, "INVALID_USER", "A user id is required");
    const waitMs = rates.take(`storage ${app.packageName} ${userId}`, limits.storageRequestsPerMinute);
    return waitMs > 0 ? tooMany(parts, waitMs) : run(userId);
  };

  const write = async (app: AppRecord, userId: string, entries: Record<string, string>): Promise<Answer> => {
    for (const [key, value] of Object.entries(entries)) {
      if (key === "" || key.length > limits.storageKeyChars) {
        return refusal(400, "INVALID_KEY", `A key has 1 to ${limits.storageKeyChars} characters`);
      }
      if (value.length > limits.storageValueChars) {
        return refusal(400, "VALUE_TOO_LARGE", `A value may have ${limits.storageValueChars} characters`);
      }
    }
    // An app that may write for users whom it invents may fill the disk.
    if (parts.sessions.getSession(userId) === undefined && !(await store.knowsUser(userId))) {
      return refusal(404, "UNKNOWN_USER", "There is no such user");
    }
    const { storageBytes: userBytes, storageAppBytes: appBytes } = limits;
    const fits = await store.writeStorage(userId, app.packageName, entries, { userBytes, appBytes });
    const message = `The total size exceeds ${userBytes} bytes for this user and app, or ${appBytes} for the app`;
    return fits ? answer({ success: true }) : refusal(413, "STORAGE_FULL", message);
  };

  return new Endpoints(parts, "Simple storage")
    .add(
      "GET",
      ofUser,
      {
        caller: "app",
        summary: "All that the app keeps for a user",
        answers: {
          200: Type.Object({ success: Type.Literal(true), data: Type.Record(Type.String(), Type.String()) }),
          400: refusalSchema,
        },
      },
      ({ app, params }) =>
        within(app, params["userId"], async (userId) =>
          answer({ success: true, data: await store.readStorage(userId, app.packageName) }),
        ),
    )
    .add(
      "PUT",
      ofUser,
      {
        caller: "app",
        summary: "Adds and replaces entries, all or none",
        body: Type.Object({ data: Type.Record(Type.String(), Type.String()) }),
        bodyBytes: limits.storageBodyBytes,
        answers: { 200: succeeded, 404: refusalSchema },
      },
      ({ app, params, body }) => within(app, params["userId"], (userId) => write(app, userId, body.data)),
    )
    .add(
      "DELETE",
      ofUser,
      {
        caller: "app",
        summary: "Removes all entries of a user",
        answers: { 200: succeeded, 400: refusalSchema },
      },
      ({ app, params }) =>
        within(app, params["userId"], async (userId) => {
          await store.deleteStorage(userId, app.packageName, undefined);
          return answer({ success: true });
        }),
    )
    .add(
      "GET",
      ofKey,
      {
        caller: "app",
        summary: "One entry",
        answers: {
          200: Type.Object({ success: Type.Literal(true), data: Type.Object({ value: Type.String() }) }),
          400: refusalSchema,
          404: refusalSchema,
        },
      },
      ({ app, params: { userId: user, key = "" } }) =>
        within(app, user, async (userId) => {
          const entries = await store.readStorage(userId, app.packageName);
          return Object.hasOwn(entries, key)
            ? answer({ success: true, data: { value: entries[key] } })
            : refusal(404, "KEY_NOT_FOUND", "There is no such key");
        }),
    )
    .add(
      "PUT",
      ofKey,
      {
        caller: "app",
        summary: "Adds or replaces one entry",
        body: Type.Object({ value: Type.String() }),
        bodyBytes: limits.storageBodyBytes,
        answers: { 200: succeeded, 404: refusalSchema },
      },
      ({ app, params: { userId: user, key = "" }, body: { value } }) =>
        within(app, user, (userId) => write(app, userId, { [key]: value })),
    )
    .add(
      "DELETE",
      ofKey,
      {
        caller: "app",
        summary: "Removes one entry, whether or not it is there",
        answers: { 200: succeeded, 400: refusalSchema },
      },
      ({ app, params: { userId: user, key } }) =>
        within(app, user, async (userId) => {
          await store.deleteStorage(userId, app.packageName, key ?? "");
          return answer({ success: true });
        }),
    ).routes;
}
