import type {
  ExpectedPhoto,
  PhotoDelivery,
  PhotoNews,
  PhotoOutcome,
  PhotoRoute,
  Picture,
} from "../../src/session/ports.ts";
import type { AppRecord } from "../../src/store/store.ts";
import type { PhotoFailure } from "../../src/wire/photo-response.ts";

/** App servers that take pictures and errors about them; each call is recorded. */
export class FakePhotos implements PhotoDelivery {
  readonly delivered: { packageName: string; requestId: string; picture: Picture; authToken?: string }[] = [];
  readonly failures: { url: string; requestId: string; failure: PhotoFailure }[] = [];
  /** Brings news of a request that is waited for. */
  readonly expected = new Map<string, (news: PhotoNews) => void>();
  /** Where the glasses are to upload. */
  way: "direct" | "relay" = "direct";
  outcome: () => Promise<PhotoOutcome> = async () => "delivered";

  route(app: AppRecord, customUrl: string | undefined): PhotoRoute {
    const url = customUrl ?? `${app.publicUrl}/photo-upload`;
    if (!url.startsWith("http")) return { kind: "none", problem: "no web address" };
    return this.way === "relay" && customUrl === undefined ? { kind: "relay" } : { kind: "direct", url };
  }

  expect(
    _userId: string,
    requestId: string,
    _untilMs: number,
    onNews: (news: PhotoNews) => void,
  ): ExpectedPhoto {
    this.expected.set(requestId, onNews);
    return {
      uploadUrl: `http://server/api/photos/relay/${requestId}`,
      close: () => {
        if (this.expected.get(requestId) === onNews) this.expected.delete(requestId);
      },
    };
  }

  deliver(
    app: AppRecord,
    requestId: string,
    picture: Picture,
    authToken: string | undefined,
  ): Promise<PhotoOutcome> {
    const { packageName } = app;
    this.delivered.push({ packageName, requestId, picture, ...(authToken && { authToken }) });
    return this.outcome();
  }

  fail(app: AppRecord, requestId: string, failure: PhotoFailure): Promise<PhotoOutcome> {
    this.failures.push({ url: app.publicUrl, requestId, failure });
    return this.outcome();
  }

  /** The ids and codes that apps were told, oldest first. */
  get codes(): [requestId: string, code: string][] {
    return this.failures.map(({ requestId, failure }) => [requestId, failure.code]);
  }

  /** An upload of a picture for a request. */
  upload(requestId: string): void {
    this.expected.get(requestId)?.({ kind: "picture", picture: jpegPicture });
  }
}

/** The first bytes of a JPEG. */
export const jpegPicture: Picture = {
  pieces: [new Uint8Array([0xff, 0xd8, 0xff, 0xe0])],
  mimeType: "image/jpeg",
};
