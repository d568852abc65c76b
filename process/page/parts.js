// What several views are made of.

import { h } from "./dom.js";

// A state: its word, with a colour and a shape. `kind`: ok, warn, stop, away, or quiet.
export function sign(kind, word) {
  return h("span", { class: `sign ${kind}` }, word);
}

// [["Lag", "0.3 s"], …]; what is null is left out.
export function facts(rows) {
  return h("dl", { class: "facts" }, rows.filter(Boolean).map(([name, ...value]) =>
    h("div", { key: name }, h("dt", {}, name), h("dd", {}, value))));
}

// columns: ["State", { name: "Leads", number: true }, { name: "Group", free: true }], where `free`
// are names from outside, which may be long; rows: { key, cells }. The first cell is its row's
// heading. The caption is for who does not see what stands above the table.
export function table(caption, columns, rows) {
  const kinds = columns.map((column) =>
    (column.number ? "number" : column.free ? "free" : null));
  const cell = (content, i) => i === 0
    ? h("th", { scope: "row", class: kinds[i] }, content)
    : h("td", { class: kinds[i] }, content);
  return h("table", {},
    h("caption", { class: "unseen" }, caption),
    h("thead", {}, h("tr", {}, columns.map((column, i) =>
      h("th", { scope: "col", class: kinds[i] }, column.name ?? column)))),
    h("tbody", {}, rows.map(({ key, cells }) => h("tr", { key }, cells.map(cell)))));
}

// A long list behind its summary; closed until the reader opens it.
export function folded(key, summary, ...content) {
  return h("details", { key }, h("summary", {}, summary), content);
}

export function list(texts, more = 0) {
  return h("ul", {}, texts.map((text) => h("li", {}, text)),
    more > 0 && h("li", {}, `and ${more} more`));
}

export function section(id, title, ...content) {
  return h("section", { key: id, id, "aria-labelledby": `${id}-title` },
    h("h2", { id: `${id}-title` }, title), content);
}
