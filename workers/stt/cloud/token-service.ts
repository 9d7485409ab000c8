const answerMs = 3_000;
/** A token is a few hundred characters; whatever is far longer is something else. */
const longestAnswer = 16 * 1024;

/**
 * Fetches a temporary token from a service of the operator's, which holds the key so that this machine need not. The
 * answer is the token itself, or JSON with it as `access_token` or `token`, as the providers' own endpoints give it.
 * @throws Error, without anything of the answer or the address, when no token is to be had.
 */
export async function fetchToken(address: string): Promise<string> {
  const response = await fetch(address, { signal: AbortSignal.timeout(answerMs) }).catch(() => {
    throw new Error("the token service is not to be reached");
  });
  if (!response.ok) throw new Error(`the token service answers with HTTP ${response.status}`);
  const answer = (await response.text()).slice(0, longestAnswer).trim();
  const token = tokenIn(answer);
  if (!/^[!-~]+$/.test(token)) throw new Error("the token service answers with no token");
  return token;
}

function tokenIn(answer: string): string {
  if (!answer.startsWith("{")) return answer;
  try {
    const { access_token, token } = JSON.parse(answer) as Record<string, unknown>;
    const named = access_token ?? token;
    return typeof named === "string" ? named : "";
  } catch {
    return "";
  }
}
