// ---- Ranks over the cases that hold only chosen elements

function elementFilter() {
  const panel = document.getElementById("filter");
  const [typed, state, note] = [panel.querySelector(".typed"), panel.querySelector(".state"), document.querySelector(".filtered-note")];
  const tables = [...document.querySelectorAll(".leaderboard, .grid, .metrics")].map((table) => ({ table, body: table.tBodies[0], rows: [...table.tBodies[0].rows].map((row) => row.cloneNode(true)) }));
  const chosen = new Set();
  let buttons = [];

  panel.addEventListener("toggle", () => {
    if (!panel.open || buttons.length) return;
    const counts = new Map();
    for (const data of allCases()) for (const at of data.system) for (const symbol of data.elements[at]) counts.set(symbol, (counts.get(symbol) ?? 0) + 1);
    buttons = periodicGrid(panel.querySelector(".elements"), "button");
    for (const button of buttons) {
      const count = counts.get(button.dataset.symbol) ?? 0;
      Object.assign(button, { disabled: !count, title: `${button.dataset.symbol}: in ${count} cases` });
      button.addEventListener("click", () => {
        const { symbol } = button.dataset;
        if (!chosen.delete(symbol)) chosen.add(symbol);
        typed.value = [...chosen].join(" ");
        apply();
      });
    }
    walkable(buttons);
    mark();
  });
  typed.addEventListener("input", () => {
    const known = new Map(elementsData.table.map(({ symbol }) => [symbol.toLowerCase(), symbol]));
    const words = typed.value.split(/[\s,;-]+/).filter(Boolean);
    const unknown = words.filter((word) => !known.has(word.toLowerCase()));
    typed.setAttribute("aria-invalid", unknown.length > 0);
    chosen.clear();
    for (const word of words) if (known.has(word.toLowerCase())) chosen.add(known.get(word.toLowerCase()));
    apply();
  });
  panel.querySelector(".clear").addEventListener("click", () => { typed.value = ""; typed.setAttribute("aria-invalid", false); chosen.clear(); apply(); });

  const mark = () => buttons.forEach((button) => button.setAttribute("aria-pressed", chosen.has(button.dataset.symbol)));

  function apply() {
    mark();
    const isChosen = chosen.size > 0;
    const ranking = isChosen ? rankFor(chosen) : null;
    root.classList.toggle("filtered", isChosen);
    for (const { table, body, rows } of tables) {
      const copies = rows.map((row) => row.cloneNode(true));
      body.replaceChildren(...(isChosen ? renewed(table, copies, ranking) : copies));
    }
    const list = [...chosen].join(", ");
    state.textContent = isChosen ? `${ranking.nCases} of ${ranking.nAll} cases` : "";
    note.hidden = !isChosen;
    note.textContent = isChosen
      ? `Only the ${ranking.nCases} of ${ranking.nAll} cases that hold no other element than ${list}. Intervals, tie groups and chances are those of all cases, so they are not shown: treat small differences as none.` : "";
    standing = isChosen ? { themes: ranking.themes, models: ranking.models.map((one) => ({ ...one, low: null, themes: [...one.themes.values()], cost: overviewData.models.find(({ model }) => model === one.model)?.cost ?? null })) } : overviewData;
    for (const [selector, draw] of [[".radar", drawThemes], [".pareto", drawCost]]) {
      const plot = document.querySelector(selector);
      if (plot.data) draw(plot);
    }
  }
}

/** The rows of a table with the values of another choice of cases, in the new order. */
function renewed(table, rows, ranking) {
  const byModel = new Map(rows.map((row) => [row.dataset.model, row]));
  const benchmark = table.matches(".metrics") ? table.closest("section").id : null;
  const score = (one) => (benchmark ? one.benchmarks.get(benchmark)?.score : one.score) ?? -1;
  const models = ranking.models.filter(({ model }) => byModel.has(model)).sort((a, b) => (score(b) || -1) - (score(a) || -1));
  const renew = table.matches(".leaderboard") ? renewPlace : table.matches(".grid") ? renewTiles : (row, one) => renewMetrics(row, one.benchmarks.get(benchmark));
  return models.map((one) => {
    const row = byModel.get(one.model);
    row.className = "";
    renew(row, one, ranking);
    return row;
  });
}

function setScore(cell, score, why) {
  const known = score !== undefined && !Number.isNaN(score);
  const bar = make("span", { className: "bar" });
  if (known) bar.style.setProperty("--level", `${100 * score}%`);
  cell.replaceChildren(known ? make("span", { className: "number", textContent: score.toFixed(3) }) : make("span", { className: "why", textContent: why }), ...(known ? [bar] : []));
}

function renewPlace(row, one, ranking) {
  row.querySelector(".place").textContent = one.rank || "–";
  setScore(row.querySelector("td.score"), one.score, one.missing.length ? `not asked: ${one.missing.join(", ")}` : "no score");
  row.querySelectorAll("td .places, td .chance").forEach((cell) => { cell.textContent = "–"; });
  row.querySelectorAll("td.theme").forEach((cell, at) => setScore(cell, one.themes.get(overviewData.themes[at]), ranking.themes.includes(overviewData.themes[at]) ? "–" : "no case"));
}

function renewTiles(row, one) {
  row.querySelectorAll("[data-benchmark]").forEach((cell) => {
    const found = one.benchmarks.get(cell.dataset.benchmark);
    const known = found && !Number.isNaN(found.score);
    cell.classList.toggle("barred", !known);
    cell.style.setProperty("--level", known ? `${Math.round(100 * found.score)}%` : "");
    if (known) cell.replaceChildren(make("span", { className: "number", textContent: found.score.toFixed(3) }), make("span", { className: "interval", textContent: `${found.n} cases` }));
    else cell.replaceChildren(make("span", { className: "why", textContent: found ? cell.title || "no score" : "no case" }));
  });
}

function renewMetrics(row, found) {
  setScore(row.querySelector("td.score"), found?.score, "no case");
  const values = new Map((found?.metrics ?? []).map((metric) => [metric.key, metric]));
  if (found) values.set("coverage", { value: found.coverage, ideal: 1, level: (found.coverage - 0.8) / 0.2 });
  row.querySelectorAll("[data-metric]").forEach((cell) => {
    const metric = values.get(cell.dataset.metric);
    const gauge = cell.querySelector(".gauge");
    cell.querySelector(".number").textContent = metric ? read(metric.value, metric.ideal) : "–";
    cell.querySelector(".number").classList.remove("best");
    cell.querySelectorAll(".interval:not(.why)").forEach((one) => { one.textContent = ""; });
    if (gauge) gauge.style.setProperty("--level", `${100 * Math.min(1, Math.max(0, metric?.level || 0))}%`);
  });
}
