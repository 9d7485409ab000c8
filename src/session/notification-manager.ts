import type { GlassesMessage } from "../wire/glasses.ts";
import type { Manager, SessionContext } from "./manager.ts";

/** A notification of the phone, as apps hear it. */
export interface PhoneNotification {
  readonly type: "phone_notification";
  readonly notificationId: string;
  /** The phone's app that it comes from. */
  readonly app: string;
  readonly title: string;
  readonly content: string;
  readonly priority: string;
}

/** Passes the phone's notifications to the apps that may read them, and remembers the last one for the dashboard. */
export class NotificationManager implements Manager {
  readonly #context: SessionContext;
  readonly #onChange: () => void;
  #latest: PhoneNotification | undefined;

  /** @param onChange is called when `latest` has changed. */
  constructor(context: SessionContext, onChange: () => void) {
    this.#context = context;
    this.#onChange = onChange;
  }

  /** The notification that came last; undefined when it was dismissed. */
  get latest(): PhoneNotification | undefined {
    return this.#latest;
  }

  /**
   * Takes a notification, as the body of `POST /api/client/notifications` or a message of the glasses holds it.
   * @returns whether it was one: an object with a `notificationId`.
   */
  receive(body: Readonly<Record<string, unknown>>): boolean {
    const notificationId = readId(body);
    if (notificationId === undefined) return false;
    const notification: PhoneNotification = {
      ...body,
      type: "phone_notification",
      notificationId,
      app: readText(body["app"]) || readText(body["packageName"]),
      title: readText(body["title"]),
      content: readText(body["content"]),
      priority: readText(body["priority"]) || "normal",
    };
    this.#context.publish("phone_notification", notification, "must", "phone_notification");
    this.#latest = notification;
    this.#context.changed();
    this.#onChange();
    return true;
  }

  /**
   * Takes the news that a notification was dismissed, in the same two shapes.
   * @returns whether it was such news: an object with a `notificationId`.
   */
  dismiss(body: Readonly<Record<string, unknown>>): boolean {
    const notificationId = readId(body);
    if (notificationId === undefined) return false;
    const data = {
      ...body,
      type: "phone_notification_dismissed",
      notificationId,
      app: readText(body["app"]) || readText(body["packageName"]),
      title: readText(body["title"]),
      content: readText(body["content"]),
      notificationKey: readText(body["notificationKey"]),
    };
    this.#context.publish("phone_notification_dismissed", data, "must", "phone_notification_dismissed");
    if (this.#latest?.notificationId === notificationId) {
      this.#latest = undefined;
      this.#context.changed();
      this.#onChange();
    }
    return true;
  }

  onGlassesMessage(message: GlassesMessage): void {
    if (message.type === "phone_notification") this.receive(message);
    else if (message.type === "phone_notification_dismissed") this.dismiss(message);
  }

  keep(): { readonly latest: PhoneNotification } | undefined {
    return this.#latest && { latest: this.#latest };
  }

  resume({ latest }: { readonly latest: PhoneNotification }): void {
    this.#latest = latest;
  }

  dispose(): void {
    this.#latest = undefined;
  }
}

function readId(body: Readonly<Record<string, unknown>>): string | undefined {
  const id = body["notificationId"];
  return (typeof id === "string" && id !== "") || typeof id === "number" ? String(id) : undefined;
}

function readText(value: unknown): string {
  return typeof value === "string" ? value : "";
}
