// One episode at one step: cameras, instruction, action, curves, and what is known of it.

import { get } from "./api.js";
import { bars, curve } from "./charts.js";
import { h, number, outcome } from "./dom.js";
import { draw, drawAttention } from "./frames.js";

const NAMES = { image: "what the agent sees", scene: "the whole scene", imagined: "imagined",
  observation: "the observation, as numbers" };
const CURVES = [["value", "value"], ["advantage", "advantage"],
  ["imagined_reward", "imagined reward"]];

export async function load(id) {
  return get("episode", { id });
}

function sums(values) {
  let total = 0;
  return values.map((one) => (total += one ?? 0));
}

export function episodeView(episode, { onStep, showsAttention }) {
  const steps = episode.steps;
  const numbers = episode.numbers ?? {};
  const about = episode.about ?? {};
  const canvases = Object.entries(episode.cameras).map(([name, layout]) => {
    const canvas = h("canvas", { width: layout.width, height: layout.height, role: "img",
      "aria-label": NAMES[name] ?? name });
    const attention = h("canvas", { class: "attention", hidden: true, "aria-hidden": "true" });
    const caption = h("figcaption", {}, NAMES[name] ?? name);
    const figure = h("figure", { class: "camera" },
      h("div", { class: "frame", style: `aspect-ratio:${layout.width}/${layout.height}` },
        canvas, attention), caption);
    return { name, layout, canvas, attention, caption, figure };
  });
  const instruction = h("p", { class: "instruction" });
  const action = h("p", { class: "action" });
  const side = h("div", { class: "bars-of" });
  const facts = h("dl", { class: "facts" });
  const info = h("table", { class: "info" });
  const problem = h("p", { class: "problem", role: "alert", hidden: true });
  const charts = steps ? [
    curve("reward", episode.rewards, steps, (k) => onStep(k + 1)),
    curve("return so far", sums(episode.rewards), steps, (k) => onStep(k + 1)),
    ...CURVES.filter(([key]) => key in numbers && !Array.isArray(numbers[key][0]))
      .map(([key, name]) => curve(name, numbers[key].slice(0, steps), steps,
        (k) => onStep(k + 1))),
  ] : [];
  const figures = h("div", { class: "cameras" }, canvases.map((one) => one.figure));
  const notes = h("div", { class: "notes" }, ...known(episode));
  const element = h("section", { class: "episode", "aria-label": `episode of ${episode.run}` },
    instruction, problem,
    h("div", { class: "stage" }, figures, h("div", { class: "side" }, action, side, notes)),
    h("div", { class: "charts" }, charts.map((one) => one.element)),
    h("details", { class: "more", open: false }, h("summary", {}, "Information of this step"),
      info),
    h("details", { class: "more" }, h("summary", {}, "About this episode"), facts));
  const entries = [
    ["environment", episode.env], ["run", episode.run], ["source", episode.source],
    ["trained for", episode.checkpoint === null ? "–" : `${number(episode.checkpoint)} steps`],
    ["seed", episode.seed ?? "–"], ["kind of instruction", episode.instruction_kind || "–"],
    ...Object.entries(episode.env_args ?? {}).map(([key, value]) => [key, JSON.stringify(value)]),
    ["file", episode.id],
  ];
  facts.append(...entries.flatMap(([key, value]) => [h("dt", {}, key), h("dd", {}, String(value))]));

  function show(step) {
    const k = Math.max(0, Math.min(step, steps));
    const before = Math.max(0, k - 1); // the action that led here
    for (const one of canvases) {
      draw(one.canvas, episode.id, one.name, one.layout, k).catch((error) => {
        problem.textContent = error.message;
        problem.hidden = false;
      });
      const weights = one.name === "image" && showsAttention()
        ? numbers.attention_image?.[Math.min(k, steps - 1)] : null;
      drawAttention(one.attention, weights);
      if (one.name === "imagined") {
        one.caption.textContent = k > (about.observed_steps ?? -1) ? "imagined" : "observed";
      }
    }
    instruction.replaceChildren(...words(episode, Math.min(k, steps - 1), k, showsAttention()));
    const label = k ? episode.action_names?.[before] ?? String(episode.actions[before] ?? "") : "";
    action.replaceChildren(h("span", { class: "quiet" }, k ? "action " : "before the first action"),
      k ? h("strong", {}, label) : "");
    side.replaceChildren(...outputs(episode, before, k > 0));
    for (const one of charts) one.show(before);
    info.replaceChildren(...rows(k ? episode.infos?.[before] : null));
    return k ? label : "start";
  }
  return { element, show, steps, episode };
}

function words(episode, at, step, showsAttention) {
  const text = episode.instructions?.[Math.min(step, episode.instructions.length - 1)] ?? "";
  const weights = episode.numbers?.attention_words?.[at];
  const given = episode.about?.words;
  const tokens = Array.isArray(given?.[0]) ? given[at] : given;
  if (!showsAttention || !weights || !tokens) return [text || h("span", { class: "quiet" },
    "no instruction")];
  const most = Math.max(...weights.filter((one) => one !== null), 1e-9);
  return tokens.flatMap((token, k) => {
    const share = (weights[k] ?? 0) / most;
    return [h("span", { class: "token", style: `--share:${share.toFixed(3)}`,
      title: `attention ${number(weights[k])}` }, token), " "];
  });
}

function outputs(episode, k, taken) {
  const numbers = episode.numbers ?? {};
  const names = episode.about?.actions ?? [];
  const action = episode.actions?.[k];
  const parts = [];
  const probabilities = numbers.probabilities?.[k];
  const values = numbers.q_values?.[k];
  if (probabilities) {
    parts.push(h("h3", {}, "action probabilities"), bars(probabilities.map((share, one) => ({
      name: names[one] ?? String(one), share, text: `${Math.round((share ?? 0) * 100)}%`,
      chosen: taken && action === one }))));
  } else if (values) {
    const known = values.filter((one) => one !== null);
    const low = Math.min(...known);
    const span = Math.max(...known) - low || 1;
    parts.push(h("h3", {}, "action values"), bars(values.map((value, one) => ({
      name: names[one] ?? String(one), share: value === null ? 0 : (value - low) / span,
      text: number(value), chosen: taken && action === one }))));
  } else if (Array.isArray(action) && action.length && !Array.isArray(action[0])) {
    const most = Math.max(...action.map(Math.abs), 1e-9);
    parts.push(h("h3", {}, "action"), bars(action.slice(0, 16).map((value, one) => ({
      name: names[one] ?? `component ${one}`, share: Math.abs(value) / most, text: number(value),
      chosen: false }))));
  }
  const weights = numbers.modality_weights?.[k];
  if (weights) {
    parts.push(h("h3", {}, "weight of each modality"), bars(weights.map((share, one) => ({
      name: episode.about?.modalities?.[one] ?? String(one), share,
      text: `${Math.round((share ?? 0) * 100)}%`, chosen: false }))));
  }
  return parts;
}

function known(episode) {
  const about = episode.about ?? {};
  const infos = episode.infos ?? [];
  const notes = [];
  if (about.relabelled_instruction) {
    notes.push(h("p", {}, h("span", { class: "quiet" }, "relabelled by hindsight as "),
      h("em", {}, about.relabelled_instruction)));
  }
  if (about.expert_steps) {
    notes.push(h("p", {}, h("span", { class: "quiet" }, "an expert needs "),
      `${number(about.expert_steps)} steps`));
  }
  const achieved = [...new Set(infos.flatMap((one) => one?.achieved ?? []))];
  if (episode.success === false && achieved.length) {
    notes.push(h("div", {}, h("h3", {}, "achieved instead"),
      h("ul", { class: "achieved" }, achieved.slice(0, 12).map((one) => h("li", {}, String(one))),
        achieved.length > 12 ? h("li", { class: "quiet" }, `${achieved.length - 12} more`) : null)));
  }
  const done = infos.map((one) => one?.clauses_done).filter(Array.isArray);
  if (done.length) {
    const count = Math.max(...done.map((one) => one.filter(Boolean).length));
    if (count) notes.push(h("p", { class: "quiet" }, `${count} clause${count > 1 ? "s" : ""} done`));
  }
  return notes;
}

function rows(info) {
  const entries = Object.entries(info ?? {});
  if (!entries.length) return [h("tbody", {}, h("tr", {}, h("td", { class: "quiet" }, "none")))];
  return [h("tbody", {}, entries.map(([key, value]) => h("tr", {},
    h("th", { scope: "row" }, key),
    h("td", {}, typeof value === "string" ? value : JSON.stringify(value)))))];
}

export { outcome };
