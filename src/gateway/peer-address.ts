/**
 * An address by which a peer is known again on another connection: IPv4 in IPv6 is IPv4, and the machine itself is one
 * peer, whichever of its own addresses it uses.
 */
export function peerAddress(address: string | undefined): string {
  const plain = (address ?? "").toLowerCase().replace(/^::ffff:(?=\d+\.)/, "");
  return plain === "::1" || plain.startsWith("127.") ? "127.0.0.1" : plain;
}
