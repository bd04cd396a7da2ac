// Success by kind of instruction over the training; a cell selects its episodes.

import { get } from "./api.js";
import { h, number } from "./dom.js";
import { current, filters, update } from "./state.js";

export function heatMap() {
  const body = h("div", { class: "heat-body" });
  const element = h("details", { class: "heat", open: true, hidden: true },
    h("summary", {}, "Success by kind of instruction over training"), body);
  let before = "";

  const named = (row, rows) => row.kind || (rows.length > 1 ? "no kind" : "all");

  function cell(row, name, k, [low, high]) {
    const known = row.known[k];
    const count = row.episodes[k];
    if (!count) return h("td", { class: "empty" });
    const share = known ? row.success[k] / known : null;
    const words = share === null ? `${count} episodes, success unknown`
      : `${row.success[k]} of ${known} successful`;
    const label = `${name}, ${number(low)} to ${number(high)} steps: ${words}`;
    const view = current();
    const isChosen = view.kind?.[0] === row.kind && view.step_min === String(low)
      && view.step_max === String(high);
    const chosen = { kind: [row.kind], step_min: String(low), step_max: String(high) };
    const none = { kind: null, step_min: null, step_max: null };
    return h("td", {}, h("button", { type: "button", class: share === null ? "cell unknown" : "cell",
      style: share === null ? "" : `--share:${share.toFixed(3)}`, "aria-label": label,
      "aria-pressed": String(isChosen), title: label,
      onclick: () => update({ ...(isChosen ? none : chosen), offset: null }) }));
  }

  async function refresh() {
    const { kind, step_min, step_max, success, ...rest } = filters(current());
    const found = await get("heatmap", rest);
    const text = JSON.stringify([found, kind, step_min, step_max]);
    if (text === before) return;
    before = text;
    element.hidden = found.bins.length < 2;
    if (element.hidden) return;
    const ends = [found.bins[0][0], found.bins[found.bins.length - 1][1]];
    body.replaceChildren(h("div", { class: "scroll", tabindex: 0, role: "region",
      "aria-label": "success by kind over training" }, h("table", {},
      h("caption", { class: "hidden" }, "share of successes by kind of instruction and steps"),
      h("tbody", {}, found.rows.map((row) => h("tr", {},
        h("th", { scope: "row" }, named(row, found.rows)),
        found.bins.map((bin, k) => cell(row, named(row, found.rows), k, bin))))))),
    h("p", { class: "axis" }, h("span", {}, `${number(ends[0])}`),
      h("span", { class: "scale", "aria-hidden": "true" }, "0% ",
        h("span", { class: "ramp" }), " 100%"),
      h("span", {}, `${number(ends[1])} steps of training`)));
  }
  return { element, refresh };
}
