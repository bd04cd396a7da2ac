// Elements without markup: texts are only ever set as text.

const SVG = "http://www.w3.org/2000/svg";

function filled(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (name === "value" || name === "checked" || name === "selected") node[name] = value;
    else node.setAttribute(name, value === true ? "" : String(value));
  }
  node.append(...children.flat(Infinity).filter((one) => one !== null && one !== undefined));
  return node;
}

export const h = (tag, attributes = {}, ...children) =>
  filled(document.createElement(tag), attributes, children);

export const svg = (tag, attributes = {}, ...children) =>
  filled(document.createElementNS(SVG, tag), attributes, children);

export const number = (value, digits = 3) => {
  if (value === null || value === undefined || Number.isNaN(value)) return "–";
  if (Number.isInteger(value)) return value.toLocaleString("en-US");
  return Number(value.toPrecision(digits)).toLocaleString("en-US", { maximumFractionDigits: 6 });
};

export const OUTCOMES = {
  true: { name: "success", mark: "✓", className: "success" },
  false: { name: "failure", mark: "✕", className: "failure" },
  null: { name: "unknown", mark: "–", className: "unknown" },
};

export function outcome(success) {
  const one = OUTCOMES[String(success)];
  return h("span", { class: `outcome ${one.className}` },
    h("span", { "aria-hidden": "true" }, one.mark), ` ${one.name}`);
}
