import { describe, expect, test } from "bun:test";
import { limits } from "../../src/kernel/limits.ts";
import { parseLayout, sameLayout } from "../../src/wire/layouts.ts";

const problem = (value: unknown) => {
  const parsed = parseLayout(value, limits);
  return "problem" in parsed ? parsed.problem : undefined;
};

describe("a layout", () => {
  const layouts = [
    { layoutType: "text_wall", text: "a" },
    { layoutType: "double_text_wall", topText: "a", bottomText: "b" },
    { layoutType: "reference_card", title: "a", text: "b" },
    { layoutType: "dashboard_card", leftText: "a", rightText: "b" },
    { layoutType: "bitmap_view", data: "Qk0=" },
    { layoutType: "bitmap_animation", frames: ["Qk0="], interval: 1650, repeat: true },
    { layoutType: "clear_view" },
  ];

  test.each(layouts)("of the kind %j is read as it is, but for what it does not have", (layout) => {
    expect(parseLayout(layout, limits)).toEqual({ layout } as never);
    expect(parseLayout({ ...layout, junk: ["x"] }, limits)).toEqual({ layout } as never);
  });

  test.each(layouts.filter((layout) => Object.keys(layout).length > 1))(
    "of the kind %j lacks nothing",
    (layout) => {
      for (const name of Object.keys(layout).filter((each) => each !== "interval" && each !== "repeat")) {
        expect(problem({ ...layout, [name]: undefined })).toBe("not a layout");
        expect(problem({ ...layout, [name]: 7 })).toBe("not a layout");
      }
    },
  );

  test("may be so large and no larger, whatever it carries besides", () => {
    const text = (bytes: number) => ({ layoutType: "text_wall", text: "x".repeat(bytes) });
    expect(problem(text(limits.displayBytes - 40))).toBeUndefined();
    expect(problem(text(limits.displayBytes))).toContain("bytes where");
    const picture = (bytes: number) => ({ layoutType: "bitmap_view", data: "x".repeat(bytes) });
    expect(problem(picture(limits.bitmapBytes))).toBeUndefined();
    expect(problem(picture(limits.bitmapBytes + 1))).toContain("bytes where");
    const junk = "x".repeat(limits.bitmapBytes + 1);
    expect(parseLayout({ ...picture(10), junk }, limits)).toEqual({ layout: picture(10) } as never);
    const frames = (count: number) => ({
      layoutType: "bitmap_animation",
      frames: Array.from({ length: count }, () => "x".repeat(limits.bitmapBytes)),
    });
    expect(problem(frames(8))).toBeUndefined();
    expect(problem(frames(9))).toContain("bytes where");
  });

  test("is the same as another with the same content, and as no other", () => {
    for (const [i, one] of layouts.entries()) {
      for (const [j, other] of layouts.entries()) {
        expect(sameLayout(structuredClone(one) as never, other as never)).toBe(i === j);
      }
    }
    const animation = (frames: string[]) => ({ layoutType: "bitmap_animation", frames }) as const;
    expect(sameLayout(animation(["a", "b"]), animation(["a", "c"]))).toBe(false);
    expect(sameLayout(animation(["a", "b"]), animation(["a"]))).toBe(false);
  });
});
