// One episode at one step: cameras, instruction, action, curves, and what is known of it.

import { get } from "./api.js";
import { bars, curve } from "./charts.js";
import { h, number, outcome } from "./dom.js";
import { draw, drawAttention } from "./frames.js";

const NAMES = { image: "what the agent sees", scene: "the whole scene", imagined: "imagined",
  observation: "the observation, as numbers" };
const ORDER = ["scene", "image", "imagined"]; // the others follow
const CURVES = [["value", "value"], ["advantage", "advantage"],
  ["imagined_reward", "imagined reward"]];

export async function load(id) {
  return get("episode", { id });
}

function sums(values) {
  let total = 0;
  return values.map((one) => (total += one ?? 0));
}

const rank = ([name]) => (ORDER.indexOf(name) + 1 || ORDER.length + 1);

// Observation k of T + 1: what led to it is of step k - 1, what the agent does then of step k.
export function episodeView(episode, { onStep, showsAttention }) {
  const steps = episode.steps;
  const numbers = episode.numbers ?? {};
  const about = episode.about ?? {};
  const cameras = Object.entries(episode.cameras).sort((one, other) => rank(one) - rank(other));
  const canvases = cameras.map(([name, layout]) => {
    const canvas = h("canvas", { width: layout.width, height: layout.height, role: "img",
      "aria-label": NAMES[name] ?? name });
    const attention = h("canvas", { class: "attention", hidden: true, "aria-hidden": "true" });
    const caption = h("figcaption", {}, NAMES[name] ?? name);
    const figure = h("figure", { class: "camera" },
      h("div", { class: "frame", style: `aspect-ratio:${layout.width}/${layout.height}` },
        canvas, attention), caption);
    return { name, layout, canvas, attention, caption, figure };
  });
  const instruction = h("h2", { class: "instruction" });
  const action = h("p", { class: "action" });
  const side = h("div", { class: "bars-of" });
  const clauses = h("ol", { class: "clauses" });
  const facts = h("dl", { class: "facts" });
  const info = h("table", { class: "info" });
  const problem = h("p", { class: "problem", role: "alert", hidden: true });
  const before = (values) => [null, ...values];
  const charts = steps ? [
    curve("reward", before(episode.rewards), onStep),
    curve("return so far", [0, ...sums(episode.rewards)], onStep),
    ...CURVES.filter(([key]) => key in numbers)
      .map(([key, name]) => curve(name, key === "imagined_reward" ? before(numbers[key])
        : numbers[key], onStep, steps + 1)),
  ] : [];
  const figures = h("div", { class: "cameras", "data-count": Math.min(canvases.length, 4) },
    canvases.map((one) => one.figure));
  const notes = h("div", { class: "notes" }, clauses, ...known(episode, onStep));
  const element = h("section", { class: "episode", "aria-label": `episode of ${episode.run}` },
    instruction,
    h("div", { class: "stage" }, figures, h("div", { class: "side" }, action, side, notes)),
    h("div", { class: "charts" }, charts.map((one) => one.element)),
    h("details", { class: "more" }, h("summary", {}, "Information of the step that led here"),
      info),
    h("details", { class: "more" }, h("summary", {}, "About this episode"), facts), problem);
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
    const isOver = k === steps;
    const now = Math.min(k, steps - 1); // of what is known of actions
    for (const one of canvases) {
      draw(one.canvas, episode, one.name, one.layout, k).catch((error) => {
        problem.textContent = error.message;
        problem.hidden = false;
      });
      if (one.name === "image") {
        drawAttention(one.attention, showsAttention() ? numbers.attention_image?.[now] : null);
      }
      if (one.name === "imagined") {
        one.caption.textContent = k > (about.observed_steps ?? -1) ? "imagined" : "observed";
      }
      if (k >= one.layout.frames) one.caption.textContent = `${NAMES[one.name] ?? one.name}, until ${
        one.layout.frames - 1}`;
    }
    instruction.replaceChildren(...words(episode, now, k, showsAttention()));
    const end = `the end${episode.success === null ? "" : episode.success ? ", success" : ", failure"}`;
    const next = isOver ? end : label(episode, k);
    action.replaceChildren(
      h("span", { class: "quiet" }, isOver ? "" : "next action "), h("strong", {}, next),
      h("span", { class: "quiet small" }, k ? `after ${label(episode, k - 1)}` : "at the start"));
    side.classList.toggle("over", isOver);
    side.replaceChildren(...outputs(episode, now));
    clauses.replaceChildren(...clauseMarks(episode, k));
    for (const one of charts) one.show(k);
    info.replaceChildren(...rows(k ? episode.infos?.[k - 1] : null));
    return next;
  }
  return { element, show, steps, episode };
}

function label(episode, k) {
  const action = episode.actions[k];
  const names = episode.about?.actions ?? [];
  return episode.action_names?.[k] || names[action]
    || [action].flat(Infinity).slice(0, 8).map((one) => number(one)).join(", ") || "–";
}

// Environments may have places for more clauses than an instruction has: what is never done is shown
// as one rest, where the instruction as a whole failed.
function clauseMarks(episode, k) {
  const done = (episode.infos ?? []).map((one) => (Array.isArray(one?.clauses_done)
    ? one.clauses_done : []));
  const width = Math.max(0, ...done.map((one) => one.length));
  if (!width) return [];
  const ever = Array.from({ length: Math.min(width, 16) }, (_, one) => one)
    .filter((one) => done.some((step) => step[one]));
  const marks = ever.map((one) => [`clause ${one + 1}`, Boolean(k && done[k - 1][one])]);
  if (episode.success === false && ever.length < width) {
    marks.push([ever.length ? "the rest" : "no clause", false]);
  }
  return marks.map(([name, isDone]) => h("li", { class: isDone ? "clause done" : "clause" },
    h("span", { "aria-hidden": "true" }, isDone ? "✓ " : "○ "), name,
    h("span", { class: "hidden" }, isDone ? ": done" : ": not done")));
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

function outputs(episode, k) {
  const numbers = episode.numbers ?? {};
  const names = episode.about?.actions ?? [];
  const action = episode.actions?.[k];
  const parts = [];
  const probabilities = numbers.probabilities?.[k];
  const values = numbers.q_values?.[k];
  if (probabilities) {
    parts.push(h("h3", {}, "probabilities of actions"), bars(probabilities.map((share, one) => ({
      name: names[one] ?? String(one), share, text: `${Math.round((share ?? 0) * 100)}%`,
      chosen: action === one }))));
  } else if (values) {
    const known = values.filter((one) => one !== null);
    const low = Math.min(...known);
    const span = Math.max(...known) - low || 1;
    parts.push(h("h3", {}, "values of actions"), bars(values.map((value, one) => ({
      name: names[one] ?? String(one), share: value === null ? 0 : (value - low) / span,
      text: number(value), chosen: action === one }))));
  } else if (Array.isArray(action) && action.length && !Array.isArray(action[0])) {
    const most = Math.max(...action.map(Math.abs), 1e-9);
    parts.push(h("h3", {}, "action"), bars(action.slice(0, 16).map((value, one) => ({
      name: names[one] ?? `[${one}]`, share: Math.abs(value) / most, text: number(value),
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

function known(episode, onStep) {
  const about = episode.about ?? {};
  const notes = [];
  if (about.relabelled_instruction) {
    notes.push(h("p", {}, h("span", { class: "quiet" }, "relabelled by hindsight as "),
      h("em", {}, about.relabelled_instruction)));
  }
  if (about.expert_steps) {
    notes.push(h("p", {}, h("span", { class: "quiet" }, "an expert needs "),
      `${number(about.expert_steps)} steps`));
  }
  const achieved = new Map();
  (episode.infos ?? []).forEach((info, k) => {
    if (!Array.isArray(info?.achieved)) return;
    for (const one of info.achieved) if (!achieved.has(String(one))) achieved.set(String(one), k + 1);
  });
  if (episode.success === false && achieved.size) {
    const shown = [...achieved].slice(0, 12);
    notes.push(h("div", {}, h("h3", {}, "achieved instead"),
      h("ul", { class: "achieved" }, shown.map(([text, k]) => h("li", {}, text, " ",
        h("button", { type: "button", class: "plain", onclick: () => onStep(k) }, `step ${k}`))),
        achieved.size > 12 ? h("li", { class: "quiet" }, `${achieved.size - 12} more`) : null)));
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
