import { type TSchema, Type } from "@sinclair/typebox";
import { TypeCompiler } from "@sinclair/typebox/compiler";
import type { Elysia } from "elysia";
import { readPhotoResponse } from "../../wire/photo-response.ts";
import { bearerToken, verifyCoreToken } from "../core-token.ts";
import type { PhotoExpectation } from "../expected-photos.ts";
import { type PhotoUpload, readPhotoUpload, type UploadProblem } from "../photo-upload.ts";
import { type Answer, answer, refusal, refusalSchema, succeeded } from "./answer.ts";
import type { ApiParts, EndpointParts } from "./api-parts.ts";
import { Endpoints, lengthRequired } from "./endpoints.ts";
import { hidesLength } from "./request-body.ts";

const metadataSchema = TypeCompiler.Compile(Type.Object({ requestId: Type.String({ minLength: 1 }) }));

const orNull = <Schema extends TSchema>(schema: Schema) => Type.Optional(Type.Union([schema, Type.Null()]));

const responseSchema = Type.Object({
  requestId: Type.String({ minLength: 1 }),
  success: orNull(Type.Boolean()),
  photoUrl: orNull(Type.String()),
  error: orNull(Type.Object({ code: Type.Optional(Type.String()), message: Type.Optional(Type.String()) })),
  errorCode: orNull(Type.String()),
  errorMessage: orNull(Type.String()),
});

/** Uploads that may come in at one time from clients which say who they are only in the upload itself. */
const mostUnknown = 4;

/** The parts of a form that carries a picture, or the word that there is none. */
const uploadForm = Type.Object({
  requestId: Type.Optional(Type.String()),
  type: Type.Optional(
    Type.String({ description: "photo_upload, or photo_error with errorCode and errorMessage" }),
  ),
  photo: Type.Optional(Type.String({ format: "binary", description: "Also called file" })),
});

/** Pictures on their way from glasses and phones to apps that those cannot reach themselves. */
export function photoApi(parts: EndpointParts & Pick<ApiParts, "photos">): Elysia {
  const { clock, metrics, limits, log, photos, address, tokenSecret } = parts;
  let uploads = 0;
  let unknown = 0;
  const never = new AbortController().signal;
  const verify = (token: string) => verifyCoreToken(tokenSecret, token, parts.store.revocations);

  const counted = (said: Answer): Answer => {
    metrics.photoUploads.inc({ answer: String(said.status) });
    return said;
  };

  /** Reads an upload, if there is room for one more. */
  async function read(request: Request, signal: AbortSignal): Promise<PhotoUpload | Answer> {
    if (uploads >= limits.photoUploads) return tooManyUploads("1");
    uploads++;
    try {
      const upload = await readPhotoUpload(request, limits.photoBytes, signal);
      return "code" in upload ? problemAnswer(upload) : upload;
    } finally {
      uploads--;
    }
  }

  /** Hands an upload on. The uploader does not wait for the app: glasses give an upload five seconds. */
  function take(expectation: PhotoExpectation | undefined, upload: PhotoUpload): Answer {
    const { news } = upload;
    if (news === undefined) return refusal(400, "NO_PHOTO", "The upload holds no picture");
    if (expectation?.take(news) !== true) return tooLate();
    const { requestId } = expectation;
    log.info({ requestId, news: news.kind }, "photo uploaded");
    const photo = news.kind === "picture" ? { mimeType: news.picture.mimeType } : {};
    return answer({ success: true, requestId, ...photo });
  }

  const endpoints = new Endpoints(parts, "Photos");

  endpoints.add(
    "POST",
    "/api/photos/relay/:token",
    {
      caller: "anyone",
      summary: "Uploads the picture of one request, once, at the address that came with it",
      form: uploadForm,
      answers: {
        200: Type.Object({
          success: Type.Literal(true),
          requestId: Type.String(),
          mimeType: Type.Optional(Type.String()),
        }),
        400: refusalSchema,
        403: refusalSchema,
        408: refusalSchema,
        410: refusalSchema,
        413: refusalSchema,
        415: refusalSchema,
        503: refusalSchema,
      },
    },
    async ({ request, params }) => {
      const expectation = photos.byToken(params["token"] ?? "");
      if (expectation === "forged") {
        return counted(refusal(403, "BAD_UPLOAD_ADDRESS", "This upload address was not made by this server"));
      }
      if (expectation === "over") return counted(tooLate());
      const upload = await read(request, expectation.signal);
      return counted("status" in upload ? upload : take(expectation, upload));
    },
  );

  endpoints.add(
    "POST",
    "/api/photos/upload",
    {
      caller: "anyone",
      summary: "Uploads a picture as older phones do: part `file`, and `metadata` that names the request",
      form: Type.Object({
        file: Type.String({ format: "binary" }),
        metadata: Type.String({ description: "JSON with requestId" }),
        coreToken: Type.Optional(Type.String({ description: "Where there is no Authorization header" })),
      }),
      answers: {
        200: Type.Object({ success: Type.Literal(true), photoUrl: Type.String(), requestId: Type.String() }),
        400: refusalSchema,
        401: refusalSchema,
        408: refusalSchema,
        410: refusalSchema,
        411: refusalSchema,
        413: refusalSchema,
        415: refusalSchema,
        503: refusalSchema,
      },
    },
    async ({ request }) => {
      const token = bearerToken(request.headers);
      // Who has no token in the heading may have one in the form, which has to be read for that.
      const early = token === undefined ? undefined : await verify(token);
      if (early?.kind === "invalid") return counted(refusal(401, "INVALID_TOKEN", "Invalid token"));
      let signal = never;
      let stopDeadline = () => {};
      if (token === undefined) {
        if (hidesLength(request)) return counted(lengthRequired());
        // Not 401: a phone whose token is good would take that for the end of it.
        if (unknown >= mostUnknown) return counted(tooManyUploads(String(limits.anonymousBodyMs / 1_000)));
        const deadline = new AbortController();
        signal = deadline.signal;
        stopDeadline = clock.after(limits.anonymousBodyMs, () => deadline.abort());
        unknown++;
      }
      try {
        const upload = await read(request, signal);
        if ("status" in upload) return counted(upload);
        const check = early ?? (await verify(upload.fields.get("coreToken") ?? ""));
        if (check.kind === "invalid") return counted(refusal(401, "INVALID_TOKEN", "Invalid token"));
        const requestId = requestIdOf(upload.fields.get("metadata") ?? upload.fields.get("requestId"));
        if (requestId === undefined) {
          return counted(refusal(400, "NO_REQUEST_ID", "`metadata` is to be JSON with a requestId"));
        }
        const said = take(photos.byRequest(check.userId, requestId), upload);
        // A name that old phones want to hear: the picture is with its app, and not kept here.
        const photoUrl = `${address.url}/api/photos/${encodeURIComponent(requestId)}`;
        return counted(said.status === 200 ? answer({ success: true, photoUrl, requestId }) : said);
      } finally {
        stopDeadline();
        if (token === undefined) unknown--;
      }
    },
  );

  endpoints.add(
    "POST",
    "/api/client/photo/response",
    {
      caller: "session",
      summary: "Reports that a picture was uploaded, or why there is none",
      body: responseSchema,
      answers: { 200: succeeded },
    },
    ({ userId, body }) => {
      const { requestId, ...report } = body;
      if (photos.byRequest(userId, requestId)?.take(readPhotoResponse(report)) !== true) {
        metrics.photos.inc({ outcome: "late" });
        log.info({ requestId }, "word of a photo that nobody waits for");
      }
      return answer({ success: true });
    },
  );

  function tooLate(): Answer {
    metrics.photos.inc({ outcome: "late" });
    return refusal(410, "PHOTO_NOT_EXPECTED", "This picture is not waited for any more");
  }

  return endpoints.routes;
}

function tooManyUploads(retrySeconds: string): Answer {
  const busy = refusal(503, "TOO_MANY_UPLOADS", "Too many pictures are being uploaded");
  return { ...busy, headers: { "retry-after": retrySeconds } };
}

function problemAnswer({ status, code, message }: UploadProblem): Answer {
  return refusal(status, code, message);
}

/** `metadata` is JSON; a bare id is taken as well. */
function requestIdOf(metadata: string | undefined): string | undefined {
  if (metadata === undefined || metadata === "") return undefined;
  try {
    const value: unknown = JSON.parse(metadata);
    return metadataSchema.Check(value) ? value.requestId : undefined;
  } catch {
    return undefined;
  }
}
