// The filters above the list.

import { h, number } from "./dom.js";
import { current, filters, noFilters, update } from "./state.js";

const CHOICES = [["run", "runs", "run"], ["source", "sources", "source"],
  ["kind", "kinds", "kind of instruction"], ["env", "envs", "environment"]];
const RANGES = [["step", "trained for, steps"], ["length", "length, steps"], ["return", "return"]];

export function filterBar() {
  let timer = null;
  const later = (changes) => {
    clearTimeout(timer);
    timer = setTimeout(() => update({ ...changes, offset: null }), 250);
  };
  const text = h("input", { type: "search", placeholder: "words of the instruction",
    "aria-label": "words of the instruction", oninput: () => later({ q: text.value }) });
  const success = h("select", { "aria-label": "outcome",
    onchange: () => update({ success: success.value ? [success.value] : [], offset: null }) },
    h("option", { value: "" }, "any outcome"), h("option", { value: "true" }, "success"),
    h("option", { value: "false" }, "failure"), h("option", { value: "unknown" }, "unknown"));
  const selects = Object.fromEntries(CHOICES.map(([key, , label]) => [key, h("select",
    { "aria-label": label, onchange: (event) => update(
      { [key]: event.target.value ? [event.target.value.slice(1)] : [], offset: null }) })]));
  const seed = h("input", { type: "number", min: 0, placeholder: "any", "aria-label": "seed",
    oninput: () => later({ seed: seed.value }) });
  const ends = {};
  const ranges = RANGES.map(([key, label]) => h("fieldset", {}, h("legend", {}, label),
    ...["min", "max"].map((end) => (ends[`${key}_${end}`] = h("input", { type: "number",
      step: "any", placeholder: end === "min" ? "from" : "to",
      "aria-label": `${label}, ${end === "min" ? "from" : "to"}`,
      oninput: (event) => later({ [`${key}_${end}`]: event.target.value }) })))));
  const clear = h("button", { type: "button",
    onclick: () => update({ ...noFilters(), offset: null }) }, "clear");
  const summary = h("summary", {}, "more filters");
  const more = h("details", { class: "ranges" }, summary, h("div", { class: "filter-row" },
    ...ranges, h("fieldset", {}, h("legend", {}, "seed"), seed)));
  const element = h("form", { class: "filters", role: "search", "aria-label": "episodes",
    onsubmit: (event) => event.preventDefault() },
    h("div", { class: "filter-row" }, text, success, ...CHOICES.map(([key]) => selects[key]), clear),
    more,
  );

  function fill(facets) {
    const view = current();
    for (const [key, name, label] of CHOICES) {
      const entries = Object.entries(facets[name] ?? {});
      const chosen = view[key]?.[0];
      const options = [h("option", { value: "" }, `any ${label}`),
        ...entries.map(([value, count]) => h("option", { value: `=${value}` },
          `${value || "none"} (${number(count)})`))];
      if (chosen !== undefined && !entries.some(([value]) => value === chosen)) {
        options.push(h("option", { value: `=${chosen}` }, chosen));
      }
      const select = selects[key];
      if (document.activeElement !== select) select.replaceChildren(...options);
      select.value = chosen === undefined ? "" : `=${chosen}`;
      select.hidden = entries.length < 2 && chosen === undefined;
    }
    success.value = view.success?.[0] ?? "";
    if (document.activeElement !== text) text.value = view.q ?? "";
    if (document.activeElement !== seed) seed.value = view.seed ?? "";
    const set = ["seed", ...Object.keys(ends)].filter((one) => view[one] !== undefined).length;
    summary.textContent = set ? `more filters (${set} set)` : "more filters";
    clear.disabled = !Object.keys(filters(view)).length;
    for (const [name, input] of Object.entries(ends)) {
      if (document.activeElement !== input) input.value = view[name] ?? "";
    }
  }
  return { element, fill };
}
