// Elements made of text alone: what a peer wrote never becomes markup.

const SVG = "http://www.w3.org/2000/svg";

export const byId = (id) => document.getElementById(id);

export function el(name, attributes = {}, ...children) {
  return furnish(document.createElement(name), attributes, children);
}

export function svg(name, attributes = {}, ...children) {
  return furnish(document.createElementNS(SVG, name), attributes, children);
}

function furnish(node, attributes, children) {
  for (const [key, value] of Object.entries(attributes)) {
    if (value !== null && value !== undefined && value !== "") node.setAttribute(key, value);
  }
  node.append(...children);
  return node;
}

/** Set a text where it is another: so a live region speaks when there is news, and not otherwise. */
export function say(node, text, kind) {
  if (node.textContent !== text) node.textContent = text;
  if (kind !== undefined && node.className !== kind) node.className = kind;
}

/**
 * Fill a table's body with rows `{key, cells}`, those with a known key in place, so that focus and selection stay.
 * The first cell is the row's header. A cell is a text, a node, or `{text, kind, node}`. A row may be given whole: `{row}`.
 */
export function fill(table, rows, nothing = "none") {
  const body = table.tBodies[0];
  const labels = [...table.tHead.rows[0].cells];
  const known = new Map([...body.rows].map((row) => [row.dataset.key, row]));
  table.setAttribute("role", "table");
  body.setAttribute("role", "rowgroup");
  if (!rows.length) {
    const cell = el("td", { colspan: labels.length, class: "none", role: "cell" }, nothing);
    if (body.textContent !== nothing) body.replaceChildren(el("tr", { role: "row" }, cell));
    return;
  }
  let at = body.firstElementChild;
  for (const { key, cells = [], row: given } of rows) {
    const row = given || known.get(key) || newRow(key, labels);
    cells.forEach((cell, index) => put(row.children[index], cell));
    if (row !== at) body.insertBefore(row, at);
    else at = at.nextElementSibling;
  }
  while (at) {
    const next = at.nextElementSibling;
    at.remove();
    at = next;
  }
}

function newRow(key, labels) {
  const cells = labels.map((label, index) => {
    const base = label.className;
    const about = { "data-label": label.textContent, "data-base": base, class: base };
    return index ? el("td", { ...about, role: "cell" }) : el("th", { ...about, scope: "row", role: "rowheader" });
  });
  const row = el("tr", { role: "row" }, ...cells);
  row.dataset.key = key;
  return row;
}

function put(node, cell) {
  const { text = null, kind = "", node: child = null } = cell instanceof Object && !(cell instanceof Node) ? cell
    : cell instanceof Node ? { node: cell } : { text: String(cell) };
  const wanted = `${node.dataset.base || ""} ${kind}`.trim();
  if (node.className !== wanted) node.className = wanted;
  if (child === null) {
    if (node.textContent !== text || node.firstElementChild) node.textContent = text;
  } else if (node.firstElementChild !== child) {
    node.replaceChildren(child);
  }
}
