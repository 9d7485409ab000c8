/** Shows the document at `/docs/json`. All of it is set as text, never as markup. */
export const docsPage = `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="content-security-policy" content="default-src 'none'; connect-src 'self'; style-src 'unsafe-inline'; script-src 'unsafe-inline'">
<title>Browline API</title>
<style>
:root { color-scheme: light dark; --line: #8884; --faint: #888; }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
h1 { margin-bottom: 0; } h2 { margin: 2rem 0 .5rem; border-bottom: 1px solid var(--line); }
details { border: 1px solid var(--line); border-radius: 6px; margin: .35rem 0; }
summary { cursor: pointer; padding: .4rem .7rem; display: flex; gap: .7rem; align-items: baseline; flex-wrap: wrap; }
details > div { padding: 0 .9rem .8rem; }
.verb { font: 600 12px ui-monospace, monospace; width: 4rem; text-align: center; border-radius: 4px; color: #fff; padding: .1rem 0; }
.GET { background: #2a6fb0; } .POST { background: #2b8a4b; } .PUT, .PATCH { background: #a8660b; } .DELETE { background: #b03535; }
code, pre { font: 13px ui-monospace, monospace; } .faint { color: var(--faint); }
.alias { border: 1px solid var(--line); border-radius: 4px; padding: 0 .4rem; font-size: 13px; }
pre { background: #8881; padding: .6rem; border-radius: 6px; overflow-x: auto; margin: .3rem 0 .8rem; }
h3 { font-size: 14px; margin: .8rem 0 .2rem; }
input { font: inherit; padding: .4rem .6rem; width: 100%; box-sizing: border-box; margin: 1rem 0; border: 1px solid var(--line); border-radius: 6px; }
</style>
<h1>Browline API</h1>
<p class="faint" id="about">Loading /docs/json ...</p>
<input id="filter" placeholder="Filter by path or words" aria-label="Filter">
<main id="main"></main>
<script>
const make = (tag, text, className) => {
  const element = document.createElement(tag);
  if (text !== undefined) element.textContent = text;
  if (className) element.className = className;
  return element;
};
// What stands between backticks is code.
const prose = (tag, text, className) => {
  const element = make(tag, undefined, className);
  element.append(...text.split("\`").map((part, index) => (index % 2 === 1 ? make("code", part) : part)));
  return element;
};
const shape = (schema, indent) => {
  if (!schema) return "anything";
  const more = indent + "  ";
  if ("const" in schema) return JSON.stringify(schema.const);
  if (schema.anyOf) return schema.anyOf.map((one) => shape(one, indent)).join(" | ");
  if (schema.allOf) return schema.allOf.map((one) => shape(one, indent)).join(" & ");
  if (schema.type === "array") return "[ " + shape(schema.items, indent) + " ]";
  if (schema.patternProperties) return "{ any key: " + shape(Object.values(schema.patternProperties)[0], more) + " }";
  if (schema.type === "object" && schema.properties) {
    const required = schema.required || [];
    const lines = Object.entries(schema.properties).map(([name, value]) =>
      more + name + (required.includes(name) ? "" : "?") + ": " + shape(value, more));
    return "{\\n" + lines.join("\\n") + "\\n" + indent + "}";
  }
  return (schema.type || "anything") + (schema.description ? "  (" + schema.description + ")" : "");
};
const body = (parent, title, content) => {
  parent.append(make("h3", title));
  for (const [type, { schema }] of Object.entries(content || {})) {
    parent.append(make("pre", type === "application/json" ? shape(schema, "") : type));
  }
};
const show = (verb, path, operation) => {
  const details = make("details");
  const summary = make("summary");
  const mark = make("span", verb, "verb " + verb);
  summary.append(mark, make("code", path), prose("span", operation.summary || "", "faint"));
  const aliasOf = operation["x-alias-of"];
  if (aliasOf) {
    const alias = make("span", "alias of ", "alias");
    alias.append(make("code", aliasOf));
    summary.append(alias);
  }
  const inner = make("div");
  if (operation.description) inner.append(prose("p", operation.description));
  const [scheme] = Object.keys((operation.security || [])[0] || {});
  inner.append(make("p", scheme ? "Authorization: Bearer, " + scheme : "No authorization header of this scheme", "faint"));
  for (const parameter of operation.parameters || []) {
    const line = make("p");
    line.append(make("code", parameter.name), prose("span", " in " + parameter.in + (parameter.required ? "" : ", optional")
      + (parameter.schema && parameter.schema.description ? ": " + parameter.schema.description : ""), "faint"));
    inner.append(line);
  }
  if (operation.requestBody) body(inner, "Request", operation.requestBody.content);
  for (const [status, response] of Object.entries(operation.responses || {})) {
    body(inner, status + " " + (response.description || ""), response.content);
  }
  details.append(summary, inner);
  details.dataset.words = [verb, path, aliasOf ? "alias of " + aliasOf : "", operation.summary, ...(operation.tags || [])].join(" ").toLowerCase();
  return details;
};
fetch("/docs/json").then((response) => response.json()).then((document_) => {
  document.getElementById("about").textContent = document_.info.description + " OpenAPI " + document_.openapi + ": /docs/json";
  const groups = new Map();
  for (const [path, item] of Object.entries(document_.paths)) {
    for (const [verb, operation] of Object.entries(item)) {
      const tag = (operation.tags || ["Other"])[0];
      if (!groups.has(tag)) groups.set(tag, []);
      groups.get(tag).push(show(verb.toUpperCase(), path, operation));
    }
  }
  const main = document.getElementById("main");
  for (const [tag, operations] of groups) {
    const section = make("section");
    section.append(make("h2", tag), ...operations);
    main.append(section);
  }
  document.getElementById("filter").addEventListener("input", (event) => {
    const words = event.target.value.toLowerCase();
    for (const details of document.querySelectorAll("details")) details.hidden = !details.dataset.words.includes(words);
    for (const section of document.querySelectorAll("section")) {
      section.hidden = [...section.querySelectorAll("details")].every((details) => details.hidden);
    }
  });
});
</script>
</html>
`;
