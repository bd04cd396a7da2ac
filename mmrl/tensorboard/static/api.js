// Requests to the plug-in; addresses are relative to its route.

function query(parameters) {
  const search = new URLSearchParams();
  for (const [name, value] of Object.entries(parameters)) {
    for (const one of Array.isArray(value) ? value : [value]) {
      if (one !== undefined && one !== null && one !== "") search.append(name, one);
    }
  }
  return search.toString();
}

export const address = (route, parameters = {}) =>
  new URL(`${route}?${query(parameters)}`, import.meta.url).href;

export async function get(route, parameters = {}) {
  const answer = await fetch(address(route, parameters));
  const content = await answer.json().catch(() => ({ error: `status ${answer.status}` }));
  if (!answer.ok) throw new Error(content.error);
  return content;
}
