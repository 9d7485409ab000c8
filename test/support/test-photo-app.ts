/** A request that an app's `/photo-upload` has received. */
export interface PhotoPost {
  readonly path: string;
  readonly headers: Headers;
  /** Of a form: its fields; of JSON: the object. */
  readonly fields: Readonly<Record<string, unknown>>;
  readonly photo: { readonly name: string; readonly type: string; readonly bytes: Uint8Array } | undefined;
}

/** An app's server as far as photos see it: reads forms as servers do, and answers what it is told to. */
export class TestPhotoApp {
  readonly posts: PhotoPost[] = [];
  answer: () => Response | Promise<Response> = () => Response.json({ success: true });
  readonly #server = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    maxRequestBodySize: 32 * 1024 * 1024,
    fetch: async (request) => {
      this.posts.push(await readPost(request));
      return this.answer();
    },
  });

  get url(): string {
    return `http://127.0.0.1:${this.#server.port}`;
  }

  async close(): Promise<void> {
    await this.#server.stop(true);
  }
}

async function readPost(request: Request): Promise<PhotoPost> {
  const { headers } = request;
  const path = new URL(request.url).pathname;
  if (headers.get("content-type")?.startsWith("application/json")) {
    return { path, headers, fields: (await request.json()) as PhotoPost["fields"], photo: undefined };
  }
  const form = await request.formData();
  const file = form.get("photo");
  const fields = Object.fromEntries([...form].filter(([, value]) => typeof value === "string"));
  const photo =
    file instanceof File
      ? { name: file.name, type: file.type, bytes: new Uint8Array(await file.arrayBuffer()) }
      : undefined;
  return { path, headers, fields, photo };
}
