// Plays one episode, or two in step.

import { address, get } from "./api.js";
import { h, number, outcome, svg } from "./dom.js";
import { episodeView, load } from "./episode.js";
import { current, link, update } from "./state.js";

const FRAME_MS = 250;
const ICONS = { start: "M2 2h2v12H2zM14 2v12L5 8z", back: "M12 2v12L3 8z", on: "M4 2v12l9-6z",
  end: "M12 2h2v12h-2zM2 2v12l9-6z" };
const PICK = "choose"; // no id: those end with .episode
const SPEEDS = [0.25, 0.5, 1, 2, 4, 8];

const icon = (name) => svg("svg", { class: "icon", viewBox: "0 0 16 16", "aria-hidden": "true" },
  svg("path", { d: ICONS[name] }));

export function player({ formats, onClose, onNeighbour }) {
  let views = [];
  let step = 0;
  let last = 0;
  let timer = null;
  let attends = true;
  let loaded = [];
  let request = 0;

  const slider = h("input", { type: "range", min: 0, max: 0, value: 0, step: 1,
    "aria-label": "step", oninput: () => { pause(); show(Number(slider.value)); } });
  const play = h("button", { type: "button", class: "play", onclick: () => toggle() }, "play");
  const counter = h("output", { class: "counter" }, "");
  const live = h("p", { class: "hidden", "aria-live": "polite" });
  const speed = h("select", { "aria-label": "speed",
    onchange: () => { update({ speed: speed.value === "1" ? null : speed.value },
      { quietly: true }); if (timer) start(); } },
    SPEEDS.map((one) => h("option", { value: String(one) }, `${one} ×`)));
  speed.value = SPEEDS.includes(Number(current().speed)) ? current().speed : "1";
  const attention = h("label", { class: "check", hidden: true },
    h("input", { type: "checkbox", checked: true,
      onchange: (event) => { attends = event.target.checked; show(step); } }), " attention");
  const problems = h("div");
  const stage = h("div", { class: "episodes" });
  const button = (label, text, onclick) =>
    h("button", { type: "button", "aria-label": label, title: label, onclick }, text);
  const copied = h("button", { type: "button", onclick: copy }, "copy link");
  const compare = h("select", { class: "compare", "aria-label": "compare with another episode",
    onchange: () => update(compare.value === PICK ? { pick: loaded[0].id, with: null }
      : { with: compare.value }) });
  const exports_ = h("span", { class: "exports" });
  const element = h("section", { class: "player", "aria-label": "player", hidden: true },
    h("div", { class: "bar-top" }, button("back to the list", "← list", () => onClose()),
      button("previous episode of the list", "‹ previous", () => onNeighbour(-1)),
      button("next episode of the list", "next ›", () => onNeighbour(1)),
      h("span", { class: "grow" }), compare, copied, exports_),
    problems, stage,
    h("div", { class: "controls" },
      button("to the start", icon("start"), () => { pause(); show(0); }),
      button("one step back", icon("back"), () => { pause(); show(step - 1); }), play,
      button("one step on", icon("on"), () => { pause(); show(step + 1); }),
      button("to the end", icon("end"), () => { pause(); show(last); }),
      slider, counter, speed, attention),
    live);

  function pause() {
    clearInterval(timer);
    timer = null;
    play.textContent = "play";
    play.setAttribute("aria-pressed", "false");
  }

  function start() {
    clearInterval(timer);
    if (step >= last) show(0);
    timer = setInterval(() => {
      show(step + 1);
      if (step >= last) pause();
    }, FRAME_MS / Number(speed.value));
    play.textContent = "pause";
    play.setAttribute("aria-pressed", "true");
  }

  const toggle = () => (timer ? pause() : start());

  function show(to) {
    step = Math.max(0, Math.min(Math.round(to) || 0, last));
    const labels = views.map((one) => one.show(step));
    slider.value = String(step);
    slider.setAttribute("aria-valuetext", `step ${step} of ${last}: ${labels.join("; ")}`);
    counter.textContent = `${step} / ${last}`;
    if (!timer) live.textContent = `step ${step} of ${last}: ${labels.join("; ")}`;
    update({ step: step ? String(step) : null }, { quietly: true });
  }

  function head(episode, k) {
    return h("div", { class: "head" }, outcome(episode.success),
      h("span", {}, `${number(episode.steps)} steps`),
      h("span", {}, `return ${number(episode.total_reward)}`),
      h("span", { class: "quiet" }, episode.run),
      h("span", { class: "quiet" }, episode.checkpoint === null ? "untrained"
        : `after ${number(episode.checkpoint)} steps`),
      h("span", { class: "quiet" }, episode.source),
      k ? button("end the comparison", "✕", () => update({ with: null })) : null);
  }

  async function candidates(episode) {
    const mine = request;
    const found = episode.seed === null ? { episodes: [] } : await get("episodes",
      { seed: episode.seed, env: episode.env, sort: "step", order: "asc", limit: 100 })
      .catch(() => ({ episodes: [] }));
    if (mine !== request) return;
    const others = found.episodes.filter((one) => one.id !== episode.id);
    const chosen = current().with;
    compare.replaceChildren(h("option", { value: "" }, chosen ? "no comparison" : "compare with …"),
      h("option", { value: PICK }, "an episode of the list …"));
    if (others.length) {
      compare.append(h("optgroup", { label: `the same seed, ${episode.seed}` },
        others.map((one) => h("option", { value: one.id }, `${one.run}, ${
          number(one.checkpoint)} steps, ${one.source}`))));
    }
    if (chosen && !others.some((one) => one.id === chosen)) {
      compare.append(h("option", { value: chosen }, chosen));
    }
    compare.value = chosen ?? "";
  }

  async function open(ids, at) {
    const mine = ++request;
    pause();
    const found = await Promise.all(ids.map((id) =>
      load(id).catch((error) => ({ id, error: error.message }))));
    if (mine !== request) return;
    const good = found.filter((one) => !one.error);
    loaded = good;
    element.hidden = false;
    compare.replaceChildren(h("option", { value: "" }, "compare with …"));
    problems.replaceChildren(...found.filter((one) => one.error).map((one) =>
      h("p", { class: "problem", role: "alert" }, one.error)));
    views = good.map((one) => episodeView(one,
      { onStep: (k) => { pause(); show(k); }, showsAttention: () => attends }));
    views.forEach((one, k) => one.element.prepend(head(good[k], k)));
    stage.replaceChildren(...views.map((one) => one.element));
    element.classList.toggle("two", views.length > 1);
    last = Math.max(0, ...views.map((one) => one.steps));
    slider.max = String(last);
    attention.hidden = !good.some((one) => one.numbers?.attention_image
      ?? one.numbers?.attention_words);
    exports_.replaceChildren(...(good.length ? formats().map((format) => h("a",
      { href: address("export", { id: good[0].id, format }), download: true },
      format === "zip" ? "JSON + PNG" : format.toUpperCase())) : []));
    show(Number(at) || 0);
    if (good.length) await candidates(good[0]);
  }

  function close() {
    request += 1;
    pause();
    element.hidden = true;
    stage.replaceChildren();
    problems.replaceChildren();
    views = [];
    loaded = [];
  }

  async function copy() {
    try {
      await navigator.clipboard.writeText(link());
      copied.textContent = "copied";
    } catch {
      window.prompt("The link to this view:", link());
    }
    setTimeout(() => { copied.textContent = "copy link"; }, 1500);
  }

  function press(key) {
    if (!views.length) return false;
    const moves = { ArrowLeft: () => { pause(); show(step - 1); },
      ArrowRight: () => { pause(); show(step + 1); }, Home: () => { pause(); show(0); },
      End: () => { pause(); show(last); }, " ": toggle,
      "[": () => faster(-1), "]": () => faster(1), j: () => onNeighbour(1),
      k: () => onNeighbour(-1), Escape: () => onClose() };
    moves[key]?.();
    return key in moves;
  }

  function faster(by) {
    const k = SPEEDS.indexOf(Number(speed.value)) + by;
    speed.value = String(SPEEDS[Math.max(0, Math.min(k, SPEEDS.length - 1))]);
    speed.dispatchEvent(new Event("change"));
  }

  return { element, open, close, press, show, get step() { return step; } };
}
