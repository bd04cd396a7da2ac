/* For readers who use the keyboard or hear the page: wide tables can be scrolled, search has a name. */
window.addEventListener("load", () => {
  document.querySelectorAll(".md-typeset__scrollwrap").forEach((table) => { table.tabIndex = 0; });
  document.querySelector(".md-search")?.setAttribute("aria-label", "Search");
});
