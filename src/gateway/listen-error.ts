import { lookup } from "node:dns/promises";

/** Where a server was to listen, and the settings that say so. */
export interface ListenAddress {
  readonly host: string;
  readonly port: number;
  /** Name of the port's setting. */
  readonly portSetting: string;
}

/** Turns what a server's start threw into one line that tells the operator what to do. */
export function listenError(error: unknown, address: ListenAddress): Error {
  const code = error instanceof Error && "code" in error ? error.code : undefined;
  const message = error instanceof Error ? error.message : String(error);
  return new Error(listenProblem(String(code), message, address), { cause: error });
}

/**
 * Binds an address for a moment, so that what is wrong with it is known before anything that costs time has started. A thread
 * would report less: there, a host that does not exist looks like a busy port.
 * @rejects Error with one line for the operator.
 */
export async function tryListening(address: ListenAddress): Promise<void> {
  const { host: hostname, port } = address;
  try {
    // The server's own error for a name that means nothing carries whatever code the system had last.
    await lookup(hostname);
    const fetch = () => new Response(null, { status: 503, headers: { "retry-after": "1" } });
    void Bun.serve({ hostname, port, reusePort: false, development: false, fetch }).stop(true);
  } catch (error) {
    throw listenError(error, address);
  }
}

function listenProblem(code: string, message: string, { host, port, portSetting }: ListenAddress): string {
  switch (code) {
    case "EADDRINUSE":
      return `Port ${port} on ${host} is in use by another process; set ${portSetting} to a free one`;
    case "EACCES":
      return `Port ${port} on ${host} may not be used by this user; set ${portSetting} to one above 1023`;
    case "EADDRNOTAVAIL":
    case "EAFNOSUPPORT":
    case "EINVAL":
    case "ENOTFOUND":
    case "EAI_AGAIN":
      return `Cannot listen on ${host}: not an address of this machine; see BROWLINE_HOST`;
    default:
      if (code.startsWith("ERR_OSSL")) {
        return `The certificate or its key is unusable: ${message}; see BROWLINE_TLS_CERT and BROWLINE_TLS_KEY`;
      }
      return `Cannot listen on ${host} port ${port}: ${message}`;
  }
}
