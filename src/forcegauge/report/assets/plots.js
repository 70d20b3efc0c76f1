// ---- Plotly in the page's colours

const CONFIG = {
  responsive: true, displaylogo: false,
  modeBarButtonsToRemove: ["select2d", "lasso2d", "autoScale2d", "toggleSpikelines", "hoverClosestCartesian", "hoverCompareCartesian"],
};

function themed(layout) {
  const [ink, soft, line] = [colour("--ink"), colour("--soft"), colour("--line")];
  const axis = { gridcolor: line, zerolinecolor: line, linecolor: line, tickcolor: line };
  const result = {
    ...layout, autosize: true, paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)",
    font: { ...layout.font, family: getComputedStyle(document.body).fontFamily, size: 12.5, color: ink },
    modebar: { bgcolor: "rgba(0,0,0,0)", color: soft, activecolor: ink },
    hoverlabel: { bgcolor: colour("--raised"), bordercolor: line, font: { color: ink }, namelength: -1 },
  };
  if (layout.polar) {
    const { radialaxis, angularaxis } = layout.polar;
    result.polar = { ...layout.polar, bgcolor: "rgba(0,0,0,0)", radialaxis: { ...radialaxis, ...axis }, angularaxis: { ...angularaxis, ...axis } };
    return result;
  }
  for (const name of new Set(["xaxis", "yaxis", ...Object.keys(layout).filter((key) => /^[xy]axis\d+$/.test(key))])) {
    result[name] = { ...layout[name], ...axis, automargin: true, title: { ...layout[name]?.title, font: { size: 12.5 } } };
  }
  return result;
}

/** A benchmark's own figure; a point whose text or custom data is a case's id leads to that case. */
function benchmarkFigure(section, showCase) {
  const plot = section.querySelector(".overview");
  if (!plot) return;
  const figure = JSON.parse(section.querySelector(".overview-data").textContent);
  const margin = { l: 10, r: 10, t: figure.layout.title ? 50 : 20, b: 10, ...figure.layout.margin };
  whenNear(plot, async () => {
    await Plotly.react(plot, figure.data, themed({ ...figure.layout, margin }), CONFIG);
    plot.removeAllListeners("plotly_click");
    plot.on("plotly_click", ({ points }) => {
      const named = points.flatMap(({ customdata, text, hovertext, x, y }) => [customdata, text, hovertext, x, y].flat());
      for (const name of named) if (showCase(name)) return;
    });
  });
}
