// ---- Plotly in the page's colours

const CONFIG = {
  responsive: true, displaylogo: false,
  modeBarButtonsToRemove: ["select2d", "lasso2d", "autoScale2d", "toggleSpikelines", "hoverClosestCartesian", "hoverCompareCartesian"],
};

function themed(layout, fitsAxes = true) {
  const [ink, soft, line] = [colour("--ink"), colour("--soft"), colour("--line")];
  const axis = { gridcolor: line, zerolinecolor: line, linecolor: line, tickcolor: line };
  const result = {
    ...layout, autosize: true, paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)",
    font: { ...layout.font, family: getComputedStyle(document.body).fontFamily, size: 12.5, color: ink },
    modebar: { bgcolor: "rgba(0,0,0,0)", color: soft, activecolor: ink },
    hoverlabel: { bgcolor: colour("--raised"), bordercolor: line, font: { color: ink }, namelength: -1 },
  };
  if (layout.polar) {
    for (const name of Object.keys(layout).filter((key) => /^polar\d*$/.test(key))) {
      const { radialaxis, angularaxis } = layout[name];
      result[name] = { ...layout[name], bgcolor: "rgba(0,0,0,0)", radialaxis: { ...radialaxis, ...axis }, angularaxis: { ...angularaxis, ...axis } };
    }
    return result;
  }
  const names = new Set(["xaxis", "yaxis", ...Object.keys(layout).filter((key) => /^[xy]axis\d+$/.test(key))]);
  // Margins that fit themselves may chase each other without end; an author of many panels sets them.
  const automargin = fitsAxes && names.size === 2;
  for (const name of names) {
    result[name] = { ...layout[name], ...axis, automargin, title: { ...layout[name]?.title, font: { size: 12.5 } } };
  }
  return result;
}

/** Switches for the models of a figure, where its legend names nothing else; Plotly's own legend of many long names
 * pushes the panels about. */
function modelSwitches(plot, { data }) {
  const plain = (name) => name?.replace(/&lt;/g, "<"); // as the page escapes what Plotly would read as markup
  const named = new Set(data.filter(({ showlegend, name }) => showlegend !== false && name).map(({ name }) => plain(name)));
  if (!named.size || [...named].some((name) => !(name in styles))) return false;
  const labels = [...named].map((name) => {
    const box = make("input", { type: "checkbox", checked: true });
    const mine = data.flatMap((trace, at) => ([trace.name, trace.legendgroup].map(plain).includes(name) ? [at] : []));
    box.addEventListener("change", () => Plotly.restyle(plot, { visible: box.checked }, mine));
    return make("label", {}, box, swatch(styles[name]), name);
  });
  const group = make("div", { className: "toggles" }, ...labels);
  group.setAttribute("role", "group");
  group.setAttribute("aria-label", "Models shown in the overview");
  plot.closest(".scroll").before(group);
  return true;
}

/** A benchmark's own figure; a point whose text or custom data is a case's id leads to that case. */
function benchmarkFigure(section, showCase) {
  const plot = section.querySelector(".overview");
  if (!plot) return;
  const figure = JSON.parse(section.querySelector(".overview-data").textContent);
  const hasOwn = modelSwitches(plot, figure);
  const margin = { l: 10, r: 10, t: figure.layout.title ? 50 : 20, b: 10, ...figure.layout.margin };
  if (hasOwn && !figure.layout.title && !figure.layout.annotations?.length) margin.t = 20; // no legend above the panels
  const layout = { ...figure.layout, margin, ...(hasOwn ? { showlegend: false } : {}) };
  whenNear(plot, async () => {
    await Plotly.react(plot, figure.data, themed(layout), CONFIG);
    plot.removeAllListeners("plotly_click");
    plot.on("plotly_click", ({ points }) => {
      const named = points.flatMap(({ customdata, text, hovertext, x, y }) => [customdata, text, hovertext, x, y].flat());
      for (const name of named) if (showCase(name)) return;
    });
  });
}

/** Published radar charts, drawn when they are opened. */
function publishedRadars() {
  for (const folder of document.querySelectorAll("details.radars")) {
    const plot = folder.querySelector(".radar");
    const figure = JSON.parse(folder.querySelector("script").textContent);
    whenNear(plot, () => Plotly.react(plot, figure.data, themed(figure.layout), CONFIG));
  }
}
