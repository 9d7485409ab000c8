import type { Plot } from "./outcome.ts";
import { formatFigure } from "./table.ts";

const width = 720;
const height = 300;
const margin = { left: 64, right: 16, top: 16, bottom: 44 };
const colours = ["#0b7285", "#d9480f", "#5f3dc4", "#2b8a3e", "#c2255c", "#868e96"];

/** A plot as SVG that stands for itself: lines with points, axes with round numbers, and a legend. */
export function renderPlot(plot: Plot): string {
  const points = plot.series
    .flatMap(({ points: of }) => of)
    .filter(([x, y]) => Number.isFinite(x) && Number.isFinite(y));
  if (points.length === 0) return "";
  const xs = axis(
    points.map(([x]) => x),
    false,
    margin.left,
    width - margin.right,
  );
  const ys = axis(
    points.map(([, y]) => y),
    plot.logY === true,
    height - margin.bottom,
    margin.top,
  );
  const grid = ys.ticks.map(
    (tick) =>
      `<line class="grid" x1="${margin.left}" x2="${width - margin.right}" y1="${round(ys.at(tick))}" y2="${round(ys.at(tick))}"/>` +
      `<text class="tick" text-anchor="end" x="${margin.left - 6}" y="${round(ys.at(tick) + 4)}">${formatTick(tick)}</text>`,
  );
  const marks = xs.ticks.map(
    (tick) =>
      `<text class="tick" text-anchor="middle" x="${round(xs.at(tick))}" y="${height - margin.bottom + 18}">${formatTick(tick)}</text>`,
  );
  const lines = plot.series.map(({ points: of }, i) => {
    const known = of.filter(([x, y]) => Number.isFinite(x) && Number.isFinite(y));
    const path = known.map(([x, y]) => `${round(xs.at(x))},${round(ys.at(y))}`).join(" ");
    const dots =
      known.length > 40
        ? []
        : known.map(([x, y]) => `<circle r="3" cx="${round(xs.at(x))}" cy="${round(ys.at(y))}"/>`);
    const colour = colours[i % colours.length];
    return `<g stroke="${colour}" fill="${colour}"><polyline fill="none" points="${path}"/>${dots.join("")}</g>`;
  });
  const legend = plot.series.map(
    ({ name }, i) =>
      `<span><i style="background:${colours[i % colours.length]}"></i>${escapeHtml(name)}</span>`,
  );
  return `<figure><figcaption>${escapeHtml(plot.title)}</figcaption><svg viewBox="0 0 ${width} ${height}" role="img" aria-label="${escapeHtml(plot.title)}">${grid.join("")}${marks.join("")}${lines.join("")}<text class="label" text-anchor="middle" x="${width / 2}" y="${height - 6}">${escapeHtml(plot.x)}</text><text class="label" text-anchor="middle" transform="rotate(-90)" x="${-height / 2}" y="14">${escapeHtml(plot.y)}</text></svg><div class="legend">${legend.join("")}</div></figure>`;
}

interface Axis {
  readonly ticks: readonly number[];
  at(value: number): number;
}

function axis(values: readonly number[], log: boolean, from: number, to: number): Axis {
  const least = Math.min(...values);
  const most = Math.max(...values);
  if (log && least > 0) {
    const low = Math.floor(Math.log10(least));
    const high = Math.max(low + 1, Math.ceil(Math.log10(most)));
    const ticks = Array.from({ length: high - low + 1 }, (_, i) => 10 ** (low + i));
    return { ticks, at: (value) => from + ((Math.log10(value) - low) / (high - low)) * (to - from) };
  }
  const low = Math.min(0, least);
  const step = roundStep((most - low) / 6 || 1);
  const high = Math.max(step, Math.ceil(most / step) * step);
  const first = Math.floor(low / step) * step;
  const ticks = Array.from({ length: Math.round((high - first) / step) + 1 }, (_, i) => first + i * step);
  return { ticks, at: (value) => from + ((value - first) / (high - first)) * (to - from) };
}

/** 1, 2 or 5 times a power of ten, at least `rough`. */
function roundStep(rough: number): number {
  const power = 10 ** Math.floor(Math.log10(rough));
  return [1, 2, 5, 10].map((factor) => factor * power).find((step) => step >= rough * 0.999) ?? rough;
}

function formatTick(value: number): string {
  return Math.abs(value) >= 1000
    ? String(Math.round(value))
    : formatFigure(value)
        .replace(/(\.\d*?)0+$/, "$1")
        .replace(/\.$/, "");
}

function round(value: number): string {
  return value.toFixed(1);
}

export function escapeHtml(text: string): string {
  return text.replace(
    /[&<>"]/g,
    (sign) => ({ "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" })[sign] ?? sign,
  );
}
