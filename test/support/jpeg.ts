/**
 * A true JPEG of 8 by 8 grey pixels. To be as large as is wanted, it carries comments.
 * @param bytes its exact size, 145 at least; undefined: as small as it gets.
 */
export function jpeg(bytes?: number): Uint8Array<ArrayBuffer> {
  const start = [0xff, 0xd8];
  const quantisation = [0xff, 0xdb, 0, 67, 0, ...new Array<number>(64).fill(1)];
  const frame = [0xff, 0xc0, 0, 11, 8, 0, 8, 0, 8, 1, 1, 0x11, 0];
  // One code of one bit each: "no difference" and "end of block".
  const codes = (table: number) => [0xff, 0xc4, 0, 20, table, 1, ...new Array<number>(15).fill(0), 0];
  const scan = [0xff, 0xda, 0, 8, 1, 1, 0, 0, 63, 0, 0x3f];
  const rest = [...quantisation, ...frame, ...codes(0), ...codes(0x10), ...scan, 0xff, 0xd9];
  const least = start.length + rest.length;
  const whole = new Uint8Array(bytes ?? least);
  whole.set(start);
  let at = start.length;
  for (let missing = whole.length - least; missing > 0; ) {
    // A comment has at least four bytes, so the last but one leaves room for that.
    const size = missing <= 65_000 ? missing : Math.min(65_000, missing - 4);
    if (size < 4) throw new Error(`a JPEG cannot have ${bytes} bytes`);
    whole.set([0xff, 0xfe, (size - 2) >> 8, (size - 2) & 255], at);
    for (let i = 4; i < size; i++) whole[at + i] = 32 + ((at + i) % 90);
    at += size;
    missing -= size;
  }
  whole.set(rest, at);
  return whole;
}
