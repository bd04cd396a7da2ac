// The tab "Rollouts": a list of recorded episodes on the left, a player on the right.

import { h } from "./dom.js";
import { filterBar } from "./filters.js";
import { heatMap } from "./heatmap.js";
import { episodeList } from "./list.js";
import { player } from "./player.js";
import { current, onChange, update } from "./state.js";
import { followTheme } from "./theme.js";

const POLL_MS = 10_000;
const KEYS = [["space", "play or pause"], ["← →", "one step"], ["Home End", "first, last step"],
  ["[ ]", "slower, faster"], ["j k", "next, previous episode"], ["Esc", "back to the list"],
  ["?", "these keys"]];

export async function render() {
  followTheme();
  const style = h("link", { rel: "stylesheet", href: new URL("style.css", import.meta.url).href });
  await new Promise((resolve) => {
    style.onload = style.onerror = resolve;
    document.head.append(style);
  });
  document.documentElement.lang = "en";
  document.title = "Rollouts";
  let formats = [];
  const bar = filterBar();
  const heat = heatMap();
  const list = episodeList({ onFound(found) {
    formats = found.formats;
    bar.fill(found.facets);
  } });
  const one = player({ formats: () => formats, onClose: () => update(
    { episode: null, step: null, with: null, pick: null }), onNeighbour: (by) => list.neighbour(by) });
  const help = h("dialog", { "aria-label": "keys" }, h("h2", {}, "Keys"),
    h("dl", {}, KEYS.flatMap(([key, text]) => [h("dt", {}, h("kbd", {}, key)), h("dd", {}, text)])),
    h("form", { method: "dialog" }, h("button", {}, "close")));
  const main = h("main", { class: "rollouts" },
    h("h1", { class: "hidden" }, "Rollouts"),
    h("div", { class: "left" }, bar.element, heat.element, list.element,
      h("p", { class: "hint" }, h("button", { type: "button", class: "plain",
        onclick: () => help.showModal() }, "keys: ?"))),
    h("div", { class: "right" }, one.element));
  document.body.append(main, help);

  let shown = "";
  async function follow() {
    const view = current();
    const wanted = JSON.stringify([view.episode, view.with]);
    main.classList.toggle("playing", Boolean(view.episode));
    main.classList.toggle("picking", Boolean(view.episode && view.pick));
    if (wanted !== shown) {
      shown = wanted;
      if (view.episode) {
        await one.open([view.episode, view.with].filter(Boolean), view.step);
      } else one.close();
    } else if (view.episode && Number(view.step ?? 0) !== one.step) one.show(Number(view.step ?? 0));
  }

  const refresh = () => Promise.all([list.refresh(), heat.refresh().catch(() => {})]);
  onChange(() => { refresh(); follow(); });
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || help.open) return;
    const { tagName, type } = event.target;
    const types = tagName === "INPUT" && type !== "range" && type !== "checkbox";
    if (types || tagName === "SELECT" || tagName === "TEXTAREA") return;
    if (event.key === "?") help.showModal();
    else if ((tagName === "BUTTON" || tagName === "A" || tagName === "SUMMARY")
      && (event.key === " " || event.key === "Enter")) return;
    else if (one.press(event.key)) event.preventDefault();
  });
  setInterval(() => { if (!document.hidden) refresh(); }, POLL_MS);
  await refresh();
  await follow();
  if (current().episode) window.focus(); // a link was opened: keys are the player's
}
