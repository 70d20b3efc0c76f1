// ---- Scores by theme, and cost against score

const overviewData = json("overview-data");

/** What the two figures show; the element filter puts its own in place. */
let standing = overviewData;

function drawOverview() {
  const [radar, pareto] = [document.querySelector(".radar"), document.querySelector(".pareto")];
  for (const [plot, draw] of [[radar, drawThemes], [pareto, drawCost]]) {
    if (!plot.parentElement.hidden) whenNear(plot, () => draw(plot));
  }
}

const short = (name) => escaped(name.length > 24 ? `${name.slice(0, 22)}…` : name);
const SYMBOLS = { solid: "circle", dash: "diamond", dot: "square", dashdot: "triangle-up" };

/** A radar from three themes on, else a line per model from theme to theme. */
function drawThemes(plot) {
  const { themes, models } = standing;
  const titles = themes.map((theme) => theme[0].toUpperCase() + theme.slice(1));
  const isRound = themes.length > 2;
  const traces = models.filter((one) => one.themes.some((value) => value !== null && !Number.isNaN(value))).map((one) => {
    const { colour: own, dash } = styles[one.model];
    const marker = { color: own, size: isRound ? 5 : 9, symbol: SYMBOLS[dash] };
    const shared = { name: short(one.model), mode: "lines+markers", line: { color: own, dash, width: 2 }, marker };
    if (isRound) return { ...shared, type: "scatterpolar", r: [...one.themes, one.themes[0]], theta: [...titles, titles[0]], hovertemplate: "%{theta}: %{r:.3f}" };
    return { ...shared, type: "scatter", x: titles, y: one.themes, hovertemplate: "%{x}: %{y:.3f}" };
  });
  const legend = { orientation: "h", y: -0.14, yanchor: "top", x: 0, font: { size: 11.5 } };
  const layout = isRound
    ? { polar: { radialaxis: { range: [0, 1], dtick: 0.25, angle: 90, tickangle: 90, tickfont: { size: 10 } }, angularaxis: { rotation: 90, direction: "clockwise" } }, legend, margin: { l: 60, r: 60, t: 30, b: 20 } }
    : { xaxis: { type: "category", range: [-0.2, titles.length - 0.8] }, yaxis: { range: [-0.03, 1.03], title: { text: "score" } }, legend, margin: { l: 20, r: 20, t: 30, b: 20 } };
  Plotly.react(plot, traces, themed(layout), CONFIG);
}

/** Those that no other beats in both, from cheap to dear. */
function front(points) {
  let best = -Infinity;
  return [...points].sort((a, b) => a.cost - b.cost || b.score - a.score).filter(({ score }) => score > best && (best = score) === score);
}

/** Round numbers for a logarithmic axis, which Plotly labels at powers of ten only: often none or one of them is in sight. */
function logTicks(values) {
  const [low, high] = [Math.floor(Math.log10(Math.min(...values))) - 1, Math.ceil(Math.log10(Math.max(...values))) + 1];
  const digits = high - low > 5 ? [1] : [1, 2, 5];
  const tickvals = Array.from({ length: high - low + 1 }, (_, at) => digits.map((digit) => Number(`${digit}e${low + at}`))).flat();
  return { tickvals, ticktext: tickvals.map((value) => (value >= 1e6 || value < 1e-3 ? value.toExponential(0) : String(value))) };
}

/** Where each label goes so that it hides no other; a label without room is left out, its name is under the pointer.
 * Beside and above or below come first: lines and intervals run straight from a point. */
function labelSpots(points, width, height) {
  const [costs, most] = [points.map(({ cost }) => Math.log10(cost)), Math.max(...points.map(({ high, score }) => high ?? score), 0)];
  const [low, span] = [Math.min(...costs), Math.max(...costs) - Math.min(...costs) || 1];
  const at = points.map(({ score }, row) => [((costs[row] - low) / span) * width * 0.88 + width * 0.06, (1 - score / most) * height]);
  const taken = at.map(([x, y]) => [x - 7, y - 7, x + 7, y + 7]);
  const spots = { "top right": [4, -22], "top left": [null, -22], "bottom right": [4, 6], "bottom left": [null, 6], "middle right": [9, -8], "middle left": [null, -8], "top center": ["mid", -24], "bottom center": ["mid", 8] };
  return points.map(({ model }, row) => {
    const size = 6.3 * Math.min(model.length, 24);
    for (const [spot, [dx, dy]] of Object.entries(spots)) {
      const left = at[row][0] + (dx === "mid" ? -size / 2 : dx ?? -size - 9);
      const box = [left, at[row][1] + dy, left + size, at[row][1] + dy + 16];
      const isFree = box[0] > 0 && box[2] < width && taken.every((other, which) => which === row || box[2] < other[0] || box[0] > other[2] || box[3] < other[1] || box[1] > other[3]);
      if (isFree) return taken.push(box), spot;
    }
    return null;
  });
}

function drawCost(plot) {
  const isThere = (value) => value !== null && Number.isFinite(value);
  const points = standing.models.filter(({ cost, score }) => isThere(cost) && isThere(score));
  const line = front(points);
  const joined = {
    type: "scatter", mode: "lines", x: line.map(({ cost }) => cost), y: line.map(({ score }) => score),
    line: { shape: "hv", color: colour("--soft"), width: 1.5, dash: "dot" }, hoverinfo: "skip", showlegend: false,
  };
  const spots = labelSpots(points, plot.clientWidth - 90, plot.clientHeight - 90);
  const marks = points.map((one, at) => {
    const { colour: own, dash } = styles[one.model];
    const doubt = one.low !== null && one.low !== undefined;
    return {
      type: "scatter", mode: "markers+text", x: [one.cost], y: [one.score], name: escaped(one.model), showlegend: false,
      text: [spots[at] ? short(one.model) : ""], textposition: spots[at] ?? "top center", textfont: { size: 11 }, cliponaxis: false, marker: { color: own, size: 10, symbol: SYMBOLS[dash] },
      error_y: doubt ? { type: "data", symmetric: false, array: [one.high - one.score], arrayminus: [one.score - one.low], color: own, thickness: 1.2, width: 3 } : {},
      hovertemplate: "%{x:.3~g} MFLOP per atom, score %{y:.3f}",
    };
  });
  const empty = { text: "no model has both a cost and an overall score", showarrow: false, xref: "paper", yref: "paper", x: 0.5, y: 0.5, font: { color: colour("--soft") } };
  const layout = {
    xaxis: { type: "log", title: { text: "cost (MFLOP per atom evaluated)", standoff: 8 }, ...(points.length ? logTicks(points.map(({ cost }) => cost)) : {}) },
    yaxis: { title: { text: "score", standoff: 6 }, rangemode: "tozero" }, margin: { l: 20, r: 30, t: 30, b: 20 },
    annotations: points.length ? [] : [empty], hovermode: "closest",
  };
  Plotly.react(plot, [joined, ...marks], themed(layout), CONFIG);
  const out = standing.models.filter((one) => !points.includes(one));
  plot.parentElement.querySelector(".left-out").textContent = out.length
    ? `Left out: ${out.map(({ model, cost }) => `${model} (${isThere(cost) ? "no overall score" : "no measured cost"})`).join(", ")}.` : "";
}
