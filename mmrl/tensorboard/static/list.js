// The list of episodes: sorted, paged, with thumbnails.

import { address, get } from "./api.js";
import { h, number, outcome } from "./dom.js";
import { current, filters, update } from "./state.js";

const PAGE = 25;
const COLUMNS = [["", ""], ["instruction", "instruction"], ["success", "outcome"],
  ["length", "steps"], ["return", "return"], ["run", "run"], ["step", "trained for"]];

export function episodeList({ onFound }) {
  const headers = COLUMNS.map(([key, label]) => {
    if (!key) return h("th", { class: "thumb" }, h("span", { class: "hidden" }, "thumbnail"));
    const button = h("button", { type: "button", onclick: () => sortBy(key) }, label);
    return h("th", { scope: "col", "data-sort": key }, button);
  });
  const body = h("tbody");
  const table = h("table", { class: "list" },
    h("caption", { class: "hidden" }, "episodes"), h("thead", {}, h("tr", {}, headers)), body);
  const status = h("p", { class: "status", role: "status" }, "loading …");
  const pages = h("nav", { class: "pages", "aria-label": "pages" });
  const empty = h("div", { class: "nothing", hidden: true });
  const picking = h("p", { class: "picking-note", hidden: true },
    "Choose the episode to compare with. ",
    h("button", { type: "button", onclick: () => update({ pick: null }) }, "cancel"));
  const element = h("section", { class: "episodes-list", "aria-label": "list of episodes" },
    picking, status, empty, table, pages);
  let shown = [];
  let before = "";
  let request = 0;

  function sortBy(key) {
    const view = current();
    const again = (view.sort ?? "time") === key && (view.order ?? "desc") === "desc";
    update({ sort: key, order: again ? "asc" : "desc", offset: null });
  }

  function row(one) {
    const isOpen = current().episode === one.id;
    const text = one.instruction || `episode of ${one.env}`;
    return h("tr", { class: isOpen ? "open" : "", "data-id": one.id,
      onclick: (event) => { if (!event.target.closest("button")) openEpisode(one.id); } },
      h("td", { class: "thumb" }, Object.keys(one.cameras).length
        ? h("img", { src: address("thumbnail", { id: one.id, version: one.version }), alt: "",
          loading: "lazy", width: 48, height: 48 }) : null),
      h("td", { class: "words" }, h("button", { type: "button", class: "open-episode",
        "aria-current": isOpen ? "true" : undefined, onclick: () => openEpisode(one.id) }, text),
        h("span", { class: "quiet small" },
          [one.instruction_kind, one.source, one.seed === null ? null : `seed ${one.seed}`]
            .filter(Boolean).join(" · "))),
      h("td", { "data-label": "outcome" }, outcome(one.success)),
      h("td", { class: "figure", "data-label": "steps" }, number(one.steps)),
      h("td", { class: "figure return", "data-label": "return" }, number(one.total_reward)),
      h("td", { class: "run", "data-label": "run" }, one.run),
      h("td", { class: "figure", "data-label": "after" }, number(one.checkpoint)));
  }

  function openEpisode(id) {
    const { pick } = current();
    update(pick && pick !== id ? { episode: pick, with: id, pick: null }
      : { episode: id, step: null, with: null, pick: null });
  }

  function describe(found) {
    const from = Number(current().offset ?? 0);
    const parts = [found.total ? `${number(from + 1)}–${number(from + shown.length)} of ${
      number(found.total)} episodes` : "no episode is like this"];
    if (found.total !== found.all) parts.push(`${number(found.all)} in all`);
    if (found.damaged) parts.push(`${number(found.damaged)} damaged, left out`);
    if (found.newer) parts.push(`${number(found.newer)} of a newer version, left out`);
    if (found.left_out) parts.push(`${number(found.left_out)} of the oldest left out`);
    status.textContent = found.all ? parts.join(" · ") : parts.slice(1).join(" · ");
    empty.hidden = found.all > 0;
    table.hidden = !found.total;
    if (!found.all) {
      empty.replaceChildren(h("h2", {}, "No episodes yet"), h("p", {},
        "A training of mmrl records episodes by itself; they appear here while it goes on."),
      h("dl", {}, ...[["mmrl record RUN", "records episodes of a run, or of a dataset"],
        ["mmrl eval RUN --record 50", "records episodes of an evaluation"],
        ["RolloutRecorder()", "a callback for any model of stable-baselines3"]]
        .flatMap(([code, text]) => [h("dt", {}, h("code", {}, code)), h("dd", {}, text)])));
    }
    const go = (label, to, isOn) => h("button", { type: "button", disabled: !isOn,
      onclick: () => update({ offset: to ? String(to) : null }) }, label);
    pages.replaceChildren(...(found.total > PAGE ? [
      go("‹ previous page", Math.max(0, from - PAGE), from > 0),
      h("span", {}, `page ${Math.floor(from / PAGE) + 1} of ${Math.ceil(found.total / PAGE)}`),
      go("next page ›", from + PAGE, from + PAGE < found.total)] : []));
  }

  async function refresh() {
    const mine = ++request;
    const view = current();
    picking.hidden = !view.pick;
    try {
      const found = await get("episodes", { ...filters(view), sort: view.sort, order: view.order,
        offset: view.offset, limit: PAGE });
      if (mine !== request) return;
      shown = found.episodes;
      const text = JSON.stringify([found, view.episode, view.sort, view.order]);
      if (text !== before) {
        before = text;
        const focused = body.contains(document.activeElement)
          ? document.activeElement.closest("tr").dataset.id : null;
        body.replaceChildren(...shown.map(row));
        if (focused !== null) {
          const row = [...body.children].find((one) => one.dataset.id === focused);
          row?.querySelector(".open-episode").focus({ preventScroll: true });
        }
        describe(found);
        for (const header of headers) {
          const key = header.dataset.sort;
          if (!key) continue;
          const isSorted = (view.sort ?? "time") === key;
          header.setAttribute("aria-sort", !isSorted ? "none"
            : (view.order ?? "desc") === "desc" ? "descending" : "ascending");
        }
      }
      onFound(found);
    } catch (error) {
      if (mine === request) status.textContent = error.message;
    }
  }

  async function neighbour(by) {
    const view = current();
    const k = shown.findIndex((one) => one.id === view.episode);
    if (k < 0) return;
    if (shown[k + by]) {
      openEpisode(shown[k + by].id);
      return;
    }
    const offset = Number(view.offset ?? 0) + by * PAGE;
    if (offset < 0) return;
    const { episodes } = await get("episodes", { ...filters(view), sort: view.sort,
      order: view.order, offset, limit: PAGE }).catch(() => ({ episodes: [] }));
    const next = by > 0 ? episodes[0] : episodes[episodes.length - 1];
    if (next) update({ offset: offset || null, episode: next.id, step: null, with: null });
  }

  return { element, refresh, neighbour };
}
