import { expect, test } from "bun:test";
import { Relays } from "../../src/audio/relays.ts";

test("everybody has a turn before anybody has a second, whoever comes and goes", () => {
  const relays = new Relays<string>();
  expect(relays.next()).toBeUndefined();
  for (const name of ["a", "b", "c", "b"]) relays.add(name);
  expect(relays.size).toBe(3);
  const round = () =>
    Array.from({ length: relays.size }, () => relays.next())
      .sort()
      .join("");
  expect(round()).toBe("abc");
  relays.delete("a");
  relays.delete("a");
  relays.delete("nobody");
  expect(round()).toBe("bc");
  relays.add("d");
  expect(round()).toBe("bcd");
  for (const name of ["b", "c", "d"]) relays.delete(name);
  expect(relays.size).toBe(0);
  expect(relays.next()).toBeUndefined();
});
