// ---- Cards of models

function modelCards() {
  const coverage = json("coverage-data");
  for (const card of document.querySelectorAll(".card")) {
    card.addEventListener("toggle", () => fill(card));
    addEventListener("beforeprint", () => { card.open = true; fill(card); });
  }
  addEventListener("hashchange", openTarget);
  openTarget();
  // From name to name in a table with the arrow keys.
  document.querySelectorAll(".leaderboard, .grid").forEach((table) => table.addEventListener("keydown", (event) => {
    const step = { ArrowUp: -1, ArrowDown: 1 }[event.key];
    if (!step || !event.target.matches(".card-link")) return;
    const links = [...table.querySelectorAll(".card-link")];
    const next = links[links.indexOf(event.target) + step];
    event.preventDefault();
    next?.focus();
  }));

  function fill(card) {
    const grid = card.querySelector(".coverage");
    if (!card.open || grid.childElementCount) return;
    const found = coverage[grid.dataset.model];
    for (const cell of periodicGrid(grid, "span")) {
      const [answered, failed, refused] = found[cell.dataset.symbol] ?? [0, 0, 0];
      const asked = answered + failed + refused;
      cell.className = !asked ? "unasked" : answered === asked ? "all" : answered ? "some" : failed ? "none" : "refused";
      cell.title = `${cell.dataset.symbol}: ${asked ? `${answered} answered, ${failed} failed, ${refused} not supported` : "not asked"}`;
    }
  }

  function openTarget() {
    const card = location.hash.startsWith("#card-") && document.getElementById(location.hash.slice(1));
    if (card) card.open = true;
  }
}
