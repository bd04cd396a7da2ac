// Small curves by step, with a cursor; drawn as SVG, described in words.

import { h, number, svg } from "./dom.js";

const WIDTH = 300;
const HEIGHT = 44;

function path(values, x, y) {
  let drawn = "";
  let isOpen = false;
  values.forEach((value, k) => {
    if (value === null || value === undefined) {
      isOpen = false;
      return;
    }
    drawn += `${isOpen ? "L" : "M"}${x(k).toFixed(1)} ${y(value).toFixed(1)}`;
    isOpen = true;
  });
  return drawn;
}

// values: one for each observation, null where there is none
export function curve(name, values, onStep, steps = values.length) {
  const known = values.filter((one) => one !== null && one !== undefined);
  const low = known.reduce((least, one) => Math.min(least, one), 0);
  const high = known.reduce((most, one) => Math.max(most, one), 0);
  const span = high - low || 1;
  const x = (k) => (steps > 1 ? (k / (steps - 1)) * WIDTH : WIDTH / 2);
  const y = (value) => 3 + (1 - (value - low) / span) * (HEIGHT - 6);
  const cursor = svg("line", { class: "cursor", y1: 0, y2: HEIGHT, x1: 0, x2: 0 });
  const shown = h("output", { class: "figure" }, "–");
  const points = known.length < 2 && known.length
    ? [svg("circle", { class: "curve-point", cx: x(values.indexOf(known[0])), cy: y(known[0]), r: 2 })]
    : [];
  const drawing = svg(
    "svg",
    { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "none", role: "img",
      "aria-label": known.length ? `${name}: from ${number(low)} to ${number(high)}` : name,
      onclick: (event) => {
        const box = drawing.getBoundingClientRect();
        onStep(Math.round(((event.clientX - box.left) / box.width) * (steps - 1)));
      } },
    svg("line", { class: "zero", x1: 0, x2: WIDTH, y1: y(0), y2: y(0) }),
    svg("path", { class: "curve", d: path(values, x, y) }),
    ...points,
    cursor,
  );
  const element = h("div", { class: "chart" },
    h("div", { class: "chart-name" }, h("span", {}, name), shown), drawing);
  return {
    element,
    show(k) {
      const at = Math.max(0, Math.min(k, steps - 1));
      cursor.setAttribute("x1", x(at));
      cursor.setAttribute("x2", x(at));
      shown.textContent = number(values[at]);
    },
  };
}

export function bars(entries) {
  // entries: name, share from 0 to 1 (or null), text, whether it was chosen
  return h("ul", { class: "bars" }, entries.map((one) =>
    h("li", { class: one.chosen ? "bar chosen" : "bar" },
      h("span", { class: "bar-name", title: one.name }, one.name,
        one.chosen ? h("span", { class: "hidden" }, " (taken)") : null),
      h("span", { class: "bar-track", "aria-hidden": "true" },
        h("span", { class: "bar-fill",
          style: `width:${Math.max(0, Math.min(1, one.share ?? 0)) * 100}%` })),
      h("span", { class: "bar-value" }, one.text))));
}
