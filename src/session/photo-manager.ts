import type { Stop } from "../kernel/stop.ts";
import type { AppCatalogue, AppRecord } from "../store/store.ts";
import type { AppMessage } from "../wire/apps.ts";
import { requestIdOf } from "../wire/bad-requests.ts";
import type { GlassesMessage } from "../wire/glasses.ts";
import { type PhotoFailure, photoRefusal, readPhotoResponse } from "../wire/photo-response.ts";
import type { Manager, SessionApp, SessionContext } from "./manager.ts";
import {
  holdsCamera,
  nextPhotoState,
  type PhotoAction,
  type PhotoEvent,
  type PhotoState,
  type PhotoTerms,
  photoWakeMs,
} from "./photo-request.ts";
import type { ExpectedPhoto, PhotoDelivery, PhotoNews, Picture } from "./ports.ts";

type PhotoMessage = Extract<AppMessage, { type: "photo_request" }>;

interface PhotoRequest {
  readonly app: SessionApp;
  /** The process of the app that asked: another one knows nothing of it. */
  readonly process: number;
  readonly message: PhotoMessage;
  readonly terms: PhotoTerms;
  readonly uploadUrl: string;
  readonly expected: ExpectedPhoto;
  state: PhotoState;
  cancelWake: Stop | undefined;
}

/** A request that was open when the process ended. */
interface KeptPhoto {
  readonly packageName: string;
  readonly message: PhotoMessage;
  readonly terms: PhotoTerms;
  readonly uploadUrl: string;
  readonly sends: number;
  /** Absent: for as long as the glasses are away. */
  readonly cameraUntilMs?: number;
}

/**
 * Pictures that apps ask the glasses for. The camera takes one at a time, in the order of the requests. A request that
 * cannot be served is refused at once, and one that comes to nothing ends before the SDK gives up by itself; the SDK hears
 * of either only by a POST to its app's server, which is why nothing is said on the socket, and no socket is closed.
 */
export class PhotoManager implements Manager {
  readonly #context: SessionContext;
  readonly #delivery: PhotoDelivery;
  readonly #catalogue: AppCatalogue;
  /** Those under way, oldest first. */
  readonly #requests = new Map<string, PhotoRequest>();
  /** Errors on their way to apps. */
  #errors = 0;

  constructor(context: SessionContext, delivery: PhotoDelivery, catalogue: AppCatalogue) {
    this.#context = context;
    this.#delivery = delivery;
    this.#catalogue = catalogue;
  }

  onAppMessage(app: SessionApp, message: AppMessage): boolean {
    if (message.type !== "photo_request") return false;
    this.#request(app, message);
    return true;
  }

  /** The SDK hears that a photo will not come at its app's server, and nowhere else. */
  onBadRequest(app: SessionApp, type: string, request: object, problem: string): boolean {
    const requestId = type === "photo_request" ? requestIdOf(request) : undefined;
    if (requestId === undefined) return false;
    this.#refuse(app, requestId, photoRefusal("BAD_REQUEST", `${type}: ${problem}`));
    return true;
  }

  onGlassesMessage(message: GlassesMessage): void {
    if (message.type === "photo_response") this.#hear(message.requestId, readPhotoResponse(message));
  }

  /** A new process of the app knows nothing of what the former one asked for. */
  onAppConnected(app: SessionApp): void {
    this.#drop(
      (request) => request.app.packageName === app.packageName && request.process !== app.process,
      "orphaned",
    );
  }

  onAppGone(packageName: string): void {
    this.#drop((request) => request.app.packageName === packageName, "cancelled");
  }

  onGlassesConnected(): void {
    for (const requestId of [...this.#requests.keys()]) this.#step(requestId, { kind: "returned" });
    this.#pump();
  }

  onGlassesGone(): void {
    for (const requestId of [...this.#requests.keys()]) this.#step(requestId, { kind: "lost" });
  }

  keep(): { readonly photos: readonly KeptPhoto[] } | undefined {
    if (this.#requests.size === 0) return undefined;
    const photos = [...this.#requests.values()].map(({ app, message, terms, uploadUrl, state }) => ({
      packageName: app.packageName,
      message,
      terms,
      uploadUrl,
      sends: state.name === "SENT" ? state.sends : 0,
      ...(state.name === "SENT" &&
        state.cameraUntilMs < Number.POSITIVE_INFINITY && { cameraUntilMs: state.cameraUntilMs }),
    }));
    return { photos };
  }

  /** What the glasses were asked for may come at any moment, whoever asks by now. */
  resume({ photos }: { readonly photos: readonly KeptPhoto[] }): void {
    for (const { packageName, message, terms, uploadUrl, sends, ...kept } of photos) {
      const app = this.#context.app(packageName);
      if (app === undefined) continue;
      const { cameraUntilMs = Number.POSITIVE_INFINITY } = kept;
      const state: PhotoState = sends === 0 ? { name: "REQUESTED" } : { name: "SENT", sends, cameraUntilMs };
      this.#take(app, message, terms, state, uploadUrl, uploadUrl);
      this.#step(message.requestId, { kind: "lost" });
    }
  }

  dispose(): void {
    this.#drop(() => true, "cancelled");
  }

  #request(app: SessionApp, message: PhotoMessage): void {
    const { requestId } = message;
    const { packageName } = app;
    const { metrics, clock, limits, log } = this.#context;
    const known = this.#requests.get(requestId);
    if (known !== undefined && known.app.packageName === packageName) {
      metrics.photos.inc({ outcome: "repeated" });
      return;
    }
    metrics.photos.inc({ outcome: "requested" });
    log.info({ requestId, packageName }, "photo requested");
    const route = this.#delivery.route(this.#recordOf(app), message.customWebhookUrl);
    const failure =
      known !== undefined
        ? photoRefusal("DUPLICATE_REQUEST_ID", "Another app's request has this id")
        : this.#obstacle(app);
    if (failure !== undefined) {
      this.#refuse(app, requestId, failure);
    } else if (route.kind === "none") {
      const message = `The picture cannot be uploaded: ${route.problem}`;
      this.#refuse(app, requestId, photoRefusal("NO_UPLOAD_URL", message));
    } else {
      const untilMs = clock.now() + limits.photoMs;
      const custom = message.customWebhookUrl !== undefined;
      const way = route.kind === "relay" ? "relay" : custom ? "custom" : "direct";
      const url = route.kind === "relay" ? undefined : route.url;
      this.#take(app, message, { way, untilMs }, { name: "REQUESTED" }, url);
      this.#pump();
    }
  }

  /**
   * @param url where the glasses are to upload, unless that is yet to be made up.
   * @param formerUrl what a former process has told the glasses.
   */
  #take(
    app: SessionApp,
    message: PhotoMessage,
    terms: PhotoTerms,
    state: PhotoState,
    url: string | undefined,
    formerUrl?: string,
  ): void {
    const { clock, userId } = this.#context;
    const { requestId } = message;
    const expected = this.#delivery.expect(
      userId,
      requestId,
      terms.untilMs,
      (news) => this.#hear(requestId, news),
      formerUrl,
    );
    this.#requests.set(requestId, {
      app,
      process: app.process,
      message,
      terms,
      uploadUrl: url ?? expected.uploadUrl,
      expected,
      state,
      cancelWake: clock.at(terms.untilMs, () => this.#tick(requestId)),
    });
    this.#context.changed();
  }

  /** Why the request of an app cannot be served now, the app's own lacks first. */
  #obstacle(app: SessionApp): PhotoFailure | undefined {
    const { glassesConnected, glasses, limits } = this.#context;
    if (this.#catalogue.get(app.packageName) === undefined)
      return photoRefusal("UNKNOWN_APP", "The app is not registered any more");
    if (!app.may("CAMERA"))
      return photoRefusal("PERMISSION_DENIED", "The app has not been granted the permission CAMERA");
    if (!glassesConnected()) return photoRefusal("PHONE_DISCONNECTED", "The phone is not connected");
    const { connected, capabilities } = glasses();
    if (!connected) return photoRefusal("GLASSES_DISCONNECTED", "The phone has lost its glasses");
    if (capabilities?.hasCamera === false)
      return photoRefusal("NO_CAMERA", `${capabilities.modelName} has no camera`);
    const waiting = [...this.#requests.values()];
    const own = waiting.filter((request) => request.app.packageName === app.packageName);
    if (waiting.length >= limits.photosPerSession || own.length >= limits.photosPerApp)
      return photoRefusal("CAMERA_BUSY", "Too many photos are waiting for the camera");
    return undefined;
  }

  #refuse(app: SessionApp, requestId: string, failure: PhotoFailure): void {
    this.#context.metrics.requestsRefused.inc({ request: "photo", code: failure.code });
    this.#tell(app, requestId, failure);
  }

  #hear(requestId: string, news: PhotoNews): void {
    const request = this.#requests.get(requestId);
    // A request that was not sent yet cannot have been answered by these glasses.
    if (request === undefined || request.state.name !== "SENT") {
      this.#context.metrics.photos.inc({ outcome: "late" });
      this.#context.log.info({ requestId, news: news.kind }, "word of a photo that nobody waits for");
      return;
    }
    if (news.kind === "picture") this.#step(requestId, { kind: "picture" }, news.picture);
    else this.#step(requestId, news);
    this.#pump();
  }

  #tick(requestId: string): void {
    this.#step(requestId, { kind: "tick", glassesAway: !this.#context.glassesConnected() });
    this.#pump();
  }

  /** Gives the camera to the next request in line. */
  #pump(): void {
    const { clock, glassesConnected } = this.#context;
    while (glassesConnected()) {
      const requests = [...this.#requests];
      if (requests.some(([, { state }]) => holdsCamera(state, clock.now()))) return;
      const next = requests.find(([, { state }]) => state.name === "REQUESTED");
      if (next === undefined) return;
      this.#step(next[0], { kind: "turn" });
    }
  }

  #step(requestId: string, event: PhotoEvent, picture?: Picture): void {
    const request = this.#requests.get(requestId);
    if (request === undefined) return;
    const { clock, limits, metrics, log } = this.#context;
    const from = request.state.name;
    const [state, actions] = nextPhotoState(request.state, event, request.terms, clock.now(), limits);
    request.state = state;
    this.#context.changed();
    const wakeMs = photoWakeMs(state, request.terms, clock.now());
    request.cancelWake?.();
    if (wakeMs === undefined) {
      this.#requests.delete(requestId);
      request.expected.close();
    } else if (wakeMs < Number.POSITIVE_INFINITY) {
      request.cancelWake = clock.at(wakeMs, () => this.#tick(requestId));
    }
    if (state.name !== from) {
      const { packageName } = request.app;
      metrics.photos.inc({ outcome: state.name.toLowerCase() });
      log.info({ requestId, packageName, way: request.terms.way, from, to: state.name }, "photo state");
    }
    for (const action of actions) this.#act(requestId, request, action, picture);
  }

  #act(requestId: string, request: PhotoRequest, action: PhotoAction, picture: Picture | undefined): void {
    switch (action.kind) {
      case "send":
        this.#send(requestId, request);
        break;
      case "deliver":
        if (picture !== undefined) this.#context.containment.watch("photo", this.#deliver(request, picture));
        break;
      case "tell":
        this.#tell(request.app, requestId, action.failure);
        break;
    }
  }

  #send(requestId: string, request: PhotoRequest): void {
    const { message, app, uploadUrl, terms } = request;
    const { metrics, sendToGlasses, userId, log } = this.#context;
    const again = request.state.name === "SENT" && request.state.sends > 1;
    const result = sendToGlasses({
      type: "photo_request",
      sessionId: userId,
      requestId,
      appId: app.packageName,
      webhookUrl: uploadUrl,
      ...(message.authToken === undefined ? {} : { authToken: message.authToken }),
      size: message.size ?? "medium",
      compress: message.compress ?? "none",
      flash: true,
      sound: message.sound ?? true,
      saveToGallery: message.saveToGallery ?? false,
    });
    if (again) metrics.photos.inc({ outcome: "resent" });
    log.info({ requestId, packageName: app.packageName, way: terms.way, again, result }, "photo sent for");
    if (result === "dropped") this.#step(requestId, { kind: "undelivered" });
    else this.#context.probeGlasses(() => this.#silent(requestId, request));
  }

  /** The socket that has taken the request is dead, as it seems: nobody will take the picture. */
  #silent(requestId: string, request: PhotoRequest): void {
    if (this.#requests.get(requestId) !== request || request.state.name !== "SENT") return;
    const message = "The phone's connection gives no sign of life";
    this.#step(requestId, { kind: "failure", failure: photoRefusal("PHONE_NOT_RESPONDING", message) });
    this.#pump();
  }

  async #deliver({ app, message }: PhotoRequest, picture: Picture): Promise<void> {
    const { requestId, authToken } = message;
    const { metrics, log } = this.#context;
    const outcome = await this.#delivery.deliver(this.#recordOf(app), requestId, picture, authToken);
    metrics.photos.inc({ outcome });
    log.info({ requestId, packageName: app.packageName, outcome }, "photo handed to its app");
  }

  #tell(app: SessionApp, requestId: string, failure: PhotoFailure): void {
    const { limits, metrics, log } = this.#context;
    const { packageName } = app;
    const { code } = failure;
    if (this.#errors >= limits.photoErrors) {
      metrics.photos.inc({ outcome: "untold" });
      return;
    }
    this.#errors++;
    log.info({ requestId, packageName, code }, "photo failed");
    const telling = this.#delivery.fail(this.#recordOf(app), requestId, failure).then((outcome) => {
      this.#errors--;
      metrics.photos.inc({ outcome: outcome === "delivered" ? "told" : "untold" });
      log.info({ requestId, packageName, code, outcome }, "the app was told that its photo failed");
    });
    this.#context.containment.watch("photo", telling);
  }

  /** Ends requests without a word: whoever asked is not there to hear it. */
  #drop(of: (request: PhotoRequest) => boolean, outcome: "cancelled" | "orphaned"): void {
    for (const [requestId, request] of [...this.#requests]) {
      if (!of(request)) continue;
      if (outcome === "orphaned") this.#context.metrics.photos.inc({ outcome });
      this.#step(requestId, { kind: "cancel" });
    }
    if (!this.#context.signal.aborted) this.#pump();
  }

  /** The app's server may have moved since the app was started. */
  #recordOf(app: SessionApp): AppRecord {
    return this.#catalogue.get(app.packageName) ?? app.record;
  }
}
