// Light or dark as TensorBoard is.

export function followTheme() {
  let body = null;
  try {
    body = window.parent === window ? null : window.parent.document.body;
  } catch {
    body = null; // embedded elsewhere
  }
  const preferred = window.matchMedia("(prefers-color-scheme: dark)");
  const apply = () => {
    const isDark = body ? body.classList.contains("dark-mode") : preferred.matches;
    document.documentElement.dataset.theme = isDark ? "dark" : "light";
  };
  apply();
  preferred.addEventListener("change", apply);
  if (body) new MutationObserver(apply).observe(body, { attributeFilter: ["class"] });
}
