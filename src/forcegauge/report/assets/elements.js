// ---- Periodic tables

const elementsData = json("elements-data");

/** Fills a grid with the 118 elements as tags of the given kind. */
function periodicGrid(grid, tag) {
  const cells = elementsData.table.map(({ symbol, z, row, column }) => {
    const cell = make(tag, {}, make("span", { className: "z", textContent: z }), symbol);
    if (tag === "button") Object.assign(cell, { type: "button", tabIndex: -1 });
    cell.dataset.symbol = symbol;
    cell.style.gridArea = `${row} / ${column}`;
    return cell;
  });
  grid.append(...cells);
  return cells;
}

/** The arrow keys walk through a grid of buttons, of which one is a tab stop. */
function walkable(cells) {
  const places = elementsData.table.map(({ row, column }) => [row, column]);
  const steps = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };
  const usable = () => cells.flatMap((cell, at) => (cell.disabled ? [] : [at]));
  if (usable().length) cells[usable()[0]].tabIndex = 0;
  cells.forEach((cell, at) => cell.addEventListener("keydown", (event) => {
    const step = steps[event.key];
    if (!step) return;
    event.preventDefault();
    const [row, column] = places[at];
    const ahead = usable().map((other) => [other, (places[other][0] - row) * step[0] + (places[other][1] - column) * step[1],
      Math.abs((places[other][0] - row) * step[1]) + Math.abs((places[other][1] - column) * step[0])]).filter(([, along]) => along > 0);
    const next = ahead.sort((a, b) => a[1] + 4 * a[2] - b[1] - 4 * b[2])[0]?.[0];
    if (next === undefined) return;
    [cell.tabIndex, cells[next].tabIndex] = [-1, 0];
    cells[next].focus();
  }));
}

// Cividis, which colour-blind readers see as others do.
const CIVIDIS = ["#00224e", "#123570", "#3b496c", "#575d6d", "#707173", "#8a8678", "#a59c74", "#c3b369", "#e1cc55", "#fee838"]
  .map((hex) => [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16)));

function cividis(level) {
  const place = Math.min(Math.max(level, 0), 1) * (CIVIDIS.length - 1);
  const low = Math.min(Math.floor(place), CIVIDIS.length - 2);
  return CIVIDIS[low].map((from, channel) => Math.round(from + (place - low) * (CIVIDIS[low + 1][channel] - from)));
}

function colourScale(explorer, column) {
  const declared = explorer.data.columns[column];
  if (declared.direction) {
    const [bad, good] = [distance(declared, declared.bad), distance(declared, declared.good)];
    return { level: (value) => (bad - distance(declared, value)) / (bad - good), from: `bad ${read(declared.bad)}`, to: `good ${read(declared.good)}` };
  }
  const found = explorer.data.models.flatMap((_, model) => explorer.data.cases.map((__, at) => explorer.score(model, at, column)))
    .filter(Number.isFinite).sort((a, b) => a - b);
  const at = (share) => found[Math.round(share * (found.length - 1))] ?? 0;
  const [low, high] = [at(0.05), at(0.95)];
  return { level: (value) => (high > low ? (value - low) / (high - low) : 0.5), from: read(low), to: read(high) };
}

/** The table of an explorer whose cases are elements: coloured by a score, a button per element. */
function scoreTable(explorer) {
  const { data, find } = explorer;
  const column = data.table;
  if (column === null || !find(".periodic")) return;
  const { level, from, to } = colourScale(explorer, column);
  const { unit, title, ideal } = data.columns[column];
  const select = find(".table-model");
  select.append(...data.models.map((name, at) => make("option", { value: at, textContent: name })));
  find(".table-score").textContent = title + (unit ? ` (${unit})` : "");
  find(".from").textContent = from;
  find(".to").textContent = to;
  find(".ramp").style.background = `linear-gradient(to right, ${CIVIDIS.map((rgb) => `rgb(${rgb})`).join()})`;
  const rows = new Map(data.cases.map((name, at) => [name, at]));
  const buttons = periodicGrid(find(".elements"), "button");
  const paint = () => buttons.forEach((button) => {
    const model = Number(select.value);
    const { symbol } = button.dataset;
    const at = rows.get(symbol);
    const value = at === undefined ? NaN : explorer.score(model, at, column);
    const isMissing = Number.isNaN(value);
    const rgb = isMissing ? null : cividis(level(value));
    button.className = isMissing ? "missing" : "";
    button.style.background = rgb ? `rgb(${rgb})` : "";
    button.style.color = rgb ? (rgb[0] * 0.3 + rgb[1] * 0.59 + rgb[2] * 0.11 > 125 ? "#101418" : "#f4f6f8") : "";
    button.title = `${symbol}: ${isMissing ? explorer.failures.get(`${model},${at}`)?.text ?? "no score" : `${read(value, ideal)} ${unit}`}`;
    button.disabled = at === undefined;
    button.setAttribute("aria-current", at === explorer.case);
    button.tabIndex = at === explorer.case ? 0 : -1; // one tab stop; arrow keys go on from there
  });
  for (const button of buttons) button.addEventListener("click", () => explorer.choose(rows.get(button.dataset.symbol)));
  select.addEventListener("change", paint);
  explorer.listeners.push(paint);
  paint();
}
