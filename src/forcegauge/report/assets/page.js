// ---- The page

function setTheme(theme) {
  if (theme) root.dataset.theme = theme; else delete root.dataset.theme;
  drawn.forEach((draw) => draw());
}

function keep(theme) {
  try { localStorage.setItem("forcegauge-theme", theme); } catch { /* a file may have no storage; then it is not kept */ }
}

function kept() {
  try { return localStorage.getItem("forcegauge-theme"); } catch { return null; }
}

function followSections() {
  const links = new Map([...document.querySelectorAll("nav .links a")].map((link) => [link.hash.slice(1), link]));
  const observer = new IntersectionObserver((entries) => {
    for (const entry of entries) {
      if (!entry.isIntersecting) continue;
      links.forEach((link) => link.removeAttribute("aria-current"));
      const link = links.get(entry.target.id);
      link?.setAttribute("aria-current", "true");
      if (link) link.parentElement.scrollLeft = link.offsetLeft - link.parentElement.offsetLeft - 40; // in sight on a phone
    }
  }, { rootMargin: "-20% 0px -75% 0px" });
  document.querySelectorAll("main > section").forEach((section) => observer.observe(section));
}

if (["light", "dark"].includes(kept())) root.dataset.theme = kept();
document.getElementById("theme").addEventListener("click", () => {
  const theme = isDark() ? "light" : "dark";
  keep(theme);
  setTheme(theme);
});
prefersDark.addEventListener("change", () => setTheme(root.dataset.theme));
let before;
addEventListener("beforeprint", () => { before = root.dataset.theme; setTheme("light"); });
addEventListener("afterprint", () => setTheme(before));

/** The explorers by benchmark, made when they come near the screen or when one of their cases is asked for. */
const explorers = new Map();

function explorerOf(name) {
  if (!explorers.has(name)) {
    const explorer = new Explorer(document.querySelector(`#${CSS.escape(name)} .explorer`));
    scoreTable(explorer);
    explorers.set(name, explorer);
  }
  return explorers.get(name);
}

/** Goes to a case; false where the benchmark has none of this name. */
function showCase(benchmark, name) {
  if (typeof name !== "string" || !document.querySelector(`#${CSS.escape(benchmark)} .explorer`)) return false;
  const explorer = explorerOf(benchmark);
  const at = explorer.data.cases.indexOf(name);
  if (at < 0) return false;
  explorer.choose(at);
  const isCalm = matchMedia("(prefers-reduced-motion: reduce)").matches;
  explorer.element.scrollIntoView({ behavior: isCalm ? "auto" : "smooth", block: "start" });
  return true;
}

addEventListener("click", (event) => {
  const link = event.target.closest?.(".to-case");
  if (link && showCase(link.dataset.benchmark, link.dataset.case)) event.preventDefault();
});

followSections();
drawOverview();
elementFilter();
modelCards();
publishedRadars();
for (const section of document.querySelectorAll(".benchmark")) {
  benchmarkFigure(section, (name) => showCase(section.id, name));
  const element = section.querySelector(".explorer");
  if (element) whenNear(element, () => explorerOf(section.id).draw());
}
