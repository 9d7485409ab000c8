import { comparisonTable, type Difference } from "./compare.ts";
import type { Control, Verdict } from "./outcome.ts";
import { escapeHtml, renderPlot } from "./plot.ts";
import type { Results } from "./results.ts";
import { formatTable } from "./table.ts";

const style = `
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 1100px; padding: 0 1rem; color: #212529; background: #fff; }
h1 { font-size: 1.5rem; margin-bottom: 0; } h2 { font-size: 1.15rem; margin: 2.2rem 0 .6rem; } h3 { font-size: 1rem; margin: 1.4rem 0 .4rem; }
p.about { color: #495057; margin-top: .2rem; }
div.wide { overflow-x: auto; }
table { border-collapse: collapse; font-size: 13px; } th, td { padding: .25rem .7rem; border-bottom: 1px solid #e9ecef; text-align: right; white-space: nowrap; }
th:first-child, td:first-child { text-align: left; } th { background: #f8f9fa; }
td.pass { color: #2b8a3e; font-weight: 600; } td.fail { color: #c92a2a; font-weight: 600; } td.open { color: #868e96; font-weight: 600; }
figure { margin: 1rem 0; } figcaption { font-weight: 600; margin-bottom: .2rem; } svg { max-width: 720px; width: 100%; border: 1px solid #e9ecef; }
svg polyline { stroke-width: 1.6; } svg .grid { stroke: #e9ecef; } svg text { font-size: 11px; fill: #495057; stroke: none; }
.legend span { margin-right: 1.2rem; font-size: 13px; } .legend i { display: inline-block; width: 12px; height: 3px; margin-right: 5px; vertical-align: middle; }
ul { padding-left: 1.2rem; }
`;

/** A page that holds everything and needs nothing else: no script, no network. */
export function renderReport(results: Results, differences: readonly Difference[] | undefined): string {
  const { date, machine, command, seconds, scenarios } = results;
  const verdicts = scenarios.flatMap(({ outcome }) => outcome.verdicts);
  const controls = scenarios.flatMap(({ outcome }) => outcome.controls);
  const sections = scenarios.map(({ name, outcome, problem }) => {
    const { tables, plots, notes } = outcome;
    return [
      `<h2>${escapeHtml(name)}</h2>`,
      ...(problem === undefined ? [] : [`<p class="fail">Failed: ${escapeHtml(problem)}</p>`]),
      ...tables.map(({ title, text }) => `<h3>${escapeHtml(title)}</h3>${htmlTable(text)}`),
      ...plots.map(renderPlot),
      ...(notes.length === 0
        ? []
        : [`<ul>${notes.map((note) => `<li>${escapeHtml(note)}</li>`).join("")}</ul>`]),
    ].join("\n");
  });
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>Browline bench, ${escapeHtml(date.slice(0, 10))}</title><style>${style}</style></head><body>
<h1>Browline bench</h1>
<p class="about">${escapeHtml(`${date.slice(0, 16).replace("T", " ")} UTC, ${machine.cores} cores (${machine.processor}), kernel ${machine.kernel}, Bun ${machine.bun}, load before ${machine.loadBefore.toFixed(2)}, generator ${machine.generatorFirst ? "before others" : "like others"}; ${command}; ${Math.round(seconds)} s`)}</p>
${verdicts.length === 0 ? "" : `<h2>Targets</h2>${verdictsHtml(verdicts)}`}
${controls.length === 0 ? "" : `<h2>Negative controls</h2><p>What must miss the limits: a limit that nothing can miss says nothing.</p>${controlsHtml(controls)}`}
${differences === undefined ? "" : `<h2>Compared with the run before</h2>${htmlTable(comparisonTable(differences))}`}
${sections.join("\n")}
</body></html>
`;
}

export function verdictTable(verdicts: readonly Verdict[]): string {
  return formatTable(
    ["target", "what", "limit", "reached", ""],
    verdicts.map(({ target, what, limit, reached, pass }) => [target, what, limit, reached, word(pass)]),
  );
}

export function controlTable(controls: readonly Control[]): string {
  return formatTable(
    ["target", "negative control", "reached", ""],
    controls.map(({ target, what, reached, bites }) => [
      target,
      what,
      reached,
      bites ? "fails, as it must" : "DOES NOT BITE",
    ]),
  );
}

function word(pass: boolean | undefined): string {
  return pass === undefined ? "OPEN" : pass ? "pass" : "MISSED";
}

function verdictsHtml(verdicts: readonly Verdict[]): string {
  const rows = verdicts.map(({ target, what, limit, reached, pass }) => {
    const kind = pass === undefined ? "open" : pass ? "pass" : "fail";
    return `<tr><td>${target}. ${escapeHtml(what)}</td><td>${escapeHtml(limit)}</td><td>${escapeHtml(reached)}</td><td class="${kind}">${word(pass)}</td></tr>`;
  });
  return `<div class="wide"><table><tr><th>target</th><th>limit</th><th>reached</th><th></th></tr>${rows.join("")}</table></div>`;
}

function controlsHtml(controls: readonly Control[]): string {
  const rows = controls.map(({ target, what, reached, bites }) => {
    const said = bites ? "fails, as it must" : bites === undefined ? "open" : "does not bite";
    return `<tr><td>${target}. ${escapeHtml(what)}</td><td>${escapeHtml(reached)}</td><td class="${bites ? "pass" : "fail"}">${said}</td></tr>`;
  });
  return `<div class="wide"><table><tr><th>control</th><th>reached</th><th></th></tr>${rows.join("")}</table></div>`;
}

/** A Markdown table as HTML; what is no table is a paragraph. */
function htmlTable(markdown: string): string {
  const lines = markdown.split("\n").filter((line) => line.startsWith("|"));
  if (lines.length < 2) return `<p>${escapeHtml(markdown)}</p>`;
  const rows = lines
    .filter((_, i) => i !== 1)
    .map((line, i) => {
      const cells = line
        .slice(1, -1)
        .split(" | ")
        .map((cell) => escapeHtml(cell.trim()));
      const tag = i === 0 ? "th" : "td";
      return `<tr>${cells.map((cell) => `<${tag}>${cell}</${tag}>`).join("")}</tr>`;
    });
  return `<div class="wide"><table>${rows.join("")}</table></div>`;
}
