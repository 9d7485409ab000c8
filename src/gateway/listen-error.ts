/** Turns what a server's start threw into one line that tells the operator what to do. */
export function listenError(error: unknown, host: string, port: number, setting: string): Error {
  const code = error instanceof Error && "code" in error ? error.code : undefined;
  const message = error instanceof Error ? error.message : String(error);
  return new Error(listenProblem(code, message, host, port, setting), { cause: error });
}

function listenProblem(code: unknown, message: string, host: string, port: number, setting: string): string {
  switch (code) {
    case "EADDRINUSE":
      return `Port ${port} on ${host} is in use by another process; set ${setting} to a free one`;
    case "EACCES":
      return `Port ${port} on ${host} may not be used by this user; set ${setting} to one above 1023`;
    default:
      return `Cannot listen on ${host} port ${port}: ${message}`;
  }
}
