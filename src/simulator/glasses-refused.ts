import { certificateProblem } from "./certificate-problem.ts";

/** What a server said no to, in words for a person. `status` where it answered over HTTP. */
export class GlassesRefused extends Error {
  readonly status: number | undefined;

  constructor(message: string, status?: number) {
    super(message);
    this.name = "GlassesRefused";
    this.status = status;
  }
}

/** Nobody answers at the address. */
export class NoServer extends GlassesRefused {}

/**
 * Finds out why a dial failed: a failed upgrade tells a WebSocket client nothing, but the same request without the upgrade
 * is answered with the reason. Undefined when that tells no more.
 */
export async function explainRefusal(url: string, token: string): Promise<GlassesRefused | undefined> {
  let response: Response;
  try {
    response = await fetch(`${url}/glasses-ws`, {
      headers: { authorization: `Bearer ${token}` },
      signal: AbortSignal.timeout(3_000),
    });
  } catch (error) {
    const problem = certificateProblem(error, url);
    return problem === undefined ? new NoServer(`no server answers at ${url}`) : new GlassesRefused(problem);
  }
  if (response.status !== 401 && response.status !== 503) return undefined;
  const said = await response.text();
  return new GlassesRefused(messageOf(said) ?? said.slice(0, 200), response.status);
}

function messageOf(body: string): string | undefined {
  try {
    const parsed: unknown = JSON.parse(body);
    if (typeof parsed !== "object" || parsed === null || !("message" in parsed)) return undefined;
    return String(parsed.message);
  } catch {
    return undefined;
  }
}
