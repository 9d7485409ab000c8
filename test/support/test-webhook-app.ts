/** An app's server as far as webhooks see it: answers what it is told to and keeps what it was asked. */
export class TestWebhookApp {
  readonly requests: { method: string; path: string; headers: Headers; body: string }[] = [];
  /** Answers the next requests. */
  answer: (request: Request) => Response | Promise<Response> = () => Response.json({ status: "success" });
  readonly #server = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    fetch: async (request) => {
      this.requests.push({
        method: request.method,
        path: new URL(request.url).pathname,
        headers: request.headers,
        body: await request.text(),
      });
      return this.answer(request);
    },
  });

  get url(): string {
    return `http://127.0.0.1:${this.#server.port}`;
  }

  async close(): Promise<void> {
    await this.#server.stop(true);
  }
}
