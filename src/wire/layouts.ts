import { type Static, Type } from "@sinclair/typebox";
import { TypeCompiler } from "@sinclair/typebox/compiler";
import type { Limits } from "../kernel/limits.ts";

/** What an app can put on the glasses. */
export const layoutSchema = Type.Union([
  Type.Object({ layoutType: Type.Literal("text_wall"), text: Type.String() }),
  Type.Object({
    layoutType: Type.Literal("double_text_wall"),
    topText: Type.String(),
    bottomText: Type.String(),
  }),
  Type.Object({ layoutType: Type.Literal("reference_card"), title: Type.String(), text: Type.String() }),
  Type.Object({
    layoutType: Type.Literal("dashboard_card"),
    leftText: Type.String(),
    rightText: Type.String(),
  }),
  /** `data`: base64 of a BMP image. */
  Type.Object({ layoutType: Type.Literal("bitmap_view"), data: Type.String() }),
  /** `interval` in milliseconds. */
  Type.Object({
    layoutType: Type.Literal("bitmap_animation"),
    frames: Type.Array(Type.String()),
    interval: Type.Optional(Type.Number({ minimum: 0 })),
    repeat: Type.Optional(Type.Boolean()),
  }),
  Type.Object({ layoutType: Type.Literal("clear_view") }),
]);

export type Layout = Static<typeof layoutSchema>;
export type View = "main" | "dashboard";

const check = TypeCompiler.Compile(layoutSchema);

/** The fields of each layout. */
const fieldsOf = new Map(
  layoutSchema.anyOf.map(({ properties }) => [properties.layoutType.const, Object.keys(properties)]),
);

/**
 * Reads a layout as an app sent it. Returns the problem where it is not one or is larger than `limits` allow. Fields that
 * no layout of its type has are left out: nobody draws them, and they count for nothing.
 */
export function parseLayout(value: unknown, limits: Limits): { layout: Layout } | { problem: string } {
  if (!check.Check(value)) return { problem: "not a layout" };
  const layout = known(value);
  const bytes = layoutBytes(layout);
  const most =
    layout.layoutType === "bitmap_view"
      ? limits.bitmapBytes
      : layout.layoutType === "bitmap_animation"
        ? limits.animationBytes
        : limits.displayBytes;
  return bytes > most ? { problem: `${bytes} bytes where ${most} are allowed` } : { layout };
}

function known(layout: Layout): Layout {
  const fields = fieldsOf.get(layout.layoutType) ?? [];
  const entries = Object.entries(layout);
  if (entries.every(([name]) => fields.includes(name))) return layout;
  // What is left has passed the check.
  return Object.fromEntries(entries.filter(([name]) => fields.includes(name))) as unknown as Layout;
}

/** Size of a layout's content. Bitmaps are base64, where a character is a byte; counting them so avoids a copy. */
function layoutBytes(layout: Layout): number {
  switch (layout.layoutType) {
    case "bitmap_view":
      return layout.data.length;
    case "bitmap_animation":
      return layout.frames.reduce((sum, frame) => sum + frame.length, 0);
    default:
      return Buffer.byteLength(JSON.stringify(layout));
  }
}

/** Whether a layout is a picture, which glasses that show only text cannot draw. */
export function isBitmap({ layoutType }: Layout): boolean {
  return layoutType === "bitmap_view" || layoutType === "bitmap_animation";
}

/** Whether two layouts show the same. Compares without copying, since bitmaps are large. */
export function sameLayout(a: Layout, b: Layout): boolean {
  if (a === b) return true;
  const [first, second]: [Record<string, unknown>, Record<string, unknown>] = [a, b];
  const keys = Object.keys(first);
  if (keys.length !== Object.keys(second).length) return false;
  return keys.every((key) => {
    const [x, y] = [first[key], second[key]];
    if (!Array.isArray(x) || !Array.isArray(y)) return x === y;
    return x.length === y.length && x.every((frame, i) => frame === y[i]);
  });
}

/** The text a layout shows, a line a field; empty for pictures. For terminals and tests. */
export function layoutText(layout: Layout): string {
  switch (layout.layoutType) {
    case "text_wall":
      return layout.text;
    case "double_text_wall":
      return `${layout.topText}\n${layout.bottomText}`;
    case "reference_card":
      return `${layout.title}\n${layout.text}`;
    case "dashboard_card":
      return `${layout.leftText}\n${layout.rightText}`;
    default:
      return "";
  }
}
