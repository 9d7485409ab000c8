import { expect, test } from "bun:test";
import { peerAddress } from "../../src/gateway/peer-address.ts";

test.each([
  ["192.0.2.7", "192.0.2.7"],
  ["::ffff:192.0.2.7", "192.0.2.7"],
  ["2001:DB8::7", "2001:db8::7"],
  ["::1", "127.0.0.1"],
  ["127.1.2.3", "127.0.0.1"],
  ["::ffff:127.0.0.1", "127.0.0.1"],
  [undefined, ""],
])("a peer at %p is known as %p", (address, known) => {
  expect(peerAddress(address)).toBe(known);
});
