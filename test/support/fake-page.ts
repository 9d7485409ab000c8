type Child = FakeElement | string;

/** As much of a document's element as the API's page uses. */
class FakeElement {
  readonly dataset: Record<string, string> = {};
  readonly #tag: string;
  #children: Child[] = [];
  className = "";

  constructor(tag: string) {
    this.#tag = tag;
  }

  set textContent(text: string) {
    this.#children = [text];
  }

  append(...children: Child[]): void {
    this.#children.push(...children);
  }

  addEventListener(): void {}

  get markup(): string {
    const inner = this.#children.map((child) =>
      typeof child === "string" ? Bun.escapeHTML(child) : child.markup,
    );
    return `<${this.#tag}>${inner.join("")}</${this.#tag}>`;
  }
}

/** Runs the script of the API's page without a browser. */
export class FakePage {
  readonly #byId = new Map<string, FakeElement>();

  /** @param described what `/docs/json` is to answer. Resolves when the page has shown it. */
  async run(page: string, described: object): Promise<void> {
    const [, script = ""] = /<script>([\s\S]*)<\/script>/.exec(page) ?? [];
    const fetched = Promise.resolve({ json: () => Promise.resolve(described) });
    const document = {
      createElement: (tag: string) => new FakeElement(tag),
      getElementById: (id: string) => this.#element(id),
    };
    // The page waits for nothing itself, so the end of its only chain of promises is asked for.
    await new Function("document", "fetch", script.replace(/fetch\("\/docs\/json"\)/, "return $&"))(
      document,
      () => fetched,
    );
  }

  /** What the page has put into its main part. */
  get markup(): string {
    return this.#element("main").markup;
  }

  #element(id: string): FakeElement {
    const element = this.#byId.get(id) ?? new FakeElement(id);
    this.#byId.set(id, element);
    return element;
  }
}
