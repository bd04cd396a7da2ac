// The present view, kept in TensorBoard's own address so that a link opens it again:
// #rollouts&p.rollouts.episode=…&p.rollouts.step=…

const PREFIX = "p.rollouts.";
const LISTS = new Set(["run", "source", "env", "kind", "success"]);
const listeners = new Set();

function host() {
  try {
    return window.parent.location.origin === window.location.origin ? window.parent : window;
  } catch {
    return window; // embedded elsewhere
  }
}

function read() {
  const view = {};
  for (const part of host().location.hash.replace(/^#/, "").split("&")) {
    const at = part.indexOf("=");
    if (at < 0 || !part.startsWith(PREFIX)) continue;
    try {
      const name = decodeURIComponent(part.slice(PREFIX.length, at));
      const value = decodeURIComponent(part.slice(at + 1));
      if (LISTS.has(name)) view[name] = [...(view[name] ?? []), value];
      else view[name] = value;
    } catch {
      // no valid escape: that part is left out
    }
  }
  return view;
}

let view = read();

export const current = () => view;

export function link() {
  const parts = [];
  for (const [name, value] of Object.entries(view)) {
    for (const one of Array.isArray(value) ? value : [value]) {
      if (one === undefined || one === null || one === "") continue;
      parts.push(`${PREFIX}${encodeURIComponent(name)}=${encodeURIComponent(one)}`);
    }
  }
  const { origin, pathname, search } = host().location;
  return `${origin}${pathname}${search}#${["rollouts", ...parts].join("&")}`;
}

const LATER_MS = 300; // while steps follow each other: browsers bound how often an address changes
let timer = null;

function write() {
  clearTimeout(timer);
  const to = link();
  if (to !== host().location.href) host().history.replaceState(host().history.state, "", to);
}

export function update(changes, { quietly = false } = {}) {
  view = { ...view, ...changes };
  for (const [name, value] of Object.entries(view)) {
    const isEmpty = value === undefined || value === null || value === "";
    if (isEmpty || (Array.isArray(value) && !value.length)) delete view[name];
  }
  clearTimeout(timer);
  if (quietly) timer = setTimeout(write, LATER_MS);
  else {
    write();
    for (const one of listeners) one(view, changes);
  }
}

export const onChange = (listener) => listeners.add(listener);

host().addEventListener("hashchange", () => {
  const now = read();
  clearTimeout(timer);
  if (JSON.stringify(now) === JSON.stringify(view)) return;
  if (!host().location.hash.startsWith("#rollouts")) return;
  view = now;
  for (const one of listeners) one(view, view);
});

const FILTERS = [
  "run", "source", "env", "kind", "success", "q", "seed", "step_min", "step_max", "length_min",
  "length_max", "return_min", "return_max",
];

export function filters(of = view) {
  return Object.fromEntries(FILTERS.filter((one) => one in of).map((one) => [one, of[one]]));
}

export const noFilters = () => Object.fromEntries(FILTERS.map((one) => [one, undefined]));
