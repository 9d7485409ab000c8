/**
 * Why a server's certificate is not accepted here, with the remedy, where that is why a request to it has failed; else
 * undefined.
 */
export function certificateProblem(error: unknown, url: string): string | undefined {
  const code = error instanceof Error && "code" in error ? String(error.code) : "";
  // The codes of OpenSSL's checks, such as DEPTH_ZERO_SELF_SIGNED_CERT and UNABLE_TO_VERIFY_LEAF_SIGNATURE.
  if (!/CERT|UNABLE_TO_VERIFY|HOSTNAME_MISMATCH/.test(code)) return undefined;
  return `the certificate of ${url} is not trusted here (${code}). NODE_EXTRA_CA_CERTS=FILE names one to trust`;
}
