// ---- The explorer of single cases

/** The range to show first: of the curves' own views the middle one, so that one hole in one wall hides no well. */
function firstRange(values, views) {
  if (!views.length) return allRange(values);
  const sorted = [...views].sort((a, b) => a[1] - a[0] - (b[1] - b[0]));
  return sorted[Math.floor((sorted.length - 1) / 2)];
}

function allRange(values) {
  let [low, high] = [Infinity, -Infinity];
  for (const value of values) {
    if (Number.isFinite(value)) { low = Math.min(low, value); high = Math.max(high, value); }
  }
  const margin = 0.04 * (high - low) || 1;
  return low > high ? [0, 1] : [low - margin, high + margin];
}

class Explorer {
  constructor(element) {
    this.element = element;
    this.find = (selector) => element.querySelector(selector);
    this.data = caseData(element);
    const drawn = element.querySelector(".curve-data");
    this.drawing = drawn ? JSON.parse(drawn.textContent) : { panels: [], curves: [], floats: "", stride: 1, x_title: "" };
    this.values = floats(this.drawing.floats);
    this.styles = this.data.models.map((name) => styles[name]);
    this.shown = this.data.models.map(() => true);
    this.curves = new Map(this.drawing.curves.map((row) => [row.slice(0, 3).join(), row.slice(3)]));
    this.failures = new Map(this.data.failures.map(([model, at, text, trace]) => [`${model},${at}`, { text, traceback: this.data.tracebacks[trace] }]));
    this.structures = this.data.structures && new Structures(this.data.structures);
    this.order = this.data.cases.map((_, at) => at);
    this.case = Math.max(0, this.data.cases.findIndex((_, at) => this.curves.has(`0,${at},0`)));
    this.listeners = [];
    this.build();
    this.connect();
  }

  score(model, at, column) {
    return this.data.scoreOf(model, at, column);
  }

  /** Whether any model has a point in a panel of the chosen case. */
  isDrawn(panel) {
    return this.data.models.some((_, model) => {
      const [, y, n] = this.curves.get([model, this.case, panel].join()) ?? [0, 0, 0];
      return this.values.subarray(y, y + n).some(Number.isFinite);
    });
  }

  build() {
    const { data } = this;
    this.find("datalist").append(...data.cases.map((name) => make("option", { value: name })));
    this.find(".order").append(make("option", { value: "", textContent: "as listed" }),
      ...data.columns.map((column, at) => make("option", { value: at, textContent: `worst first: ${column.title}` })));
    this.find(".toggles").append(...data.models.map((name, at) => {
      const box = make("input", { type: "checkbox", checked: true });
      box.addEventListener("change", () => { this.shown[at] = box.checked; this.draw(); });
      return make("label", {}, box, swatch(this.styles[at]), name);
    }));
    this.plots = this.drawing.panels.map((title) => {
      const plot = make("div", { className: "plot" });
      plot.dataset.title = title;
      return plot;
    });
    this.find(".panels").append(...this.plots);
    this.find(".panels").hidden = !this.plots.length;
    if (this.structures) this.view = new StructureView(this.find(".structure"));
    this.head = make("tr", {}, make("th", { className: "name", textContent: "Model" }),
      ...data.columns.map((column) => make("th", { className: "value" }, column.title, " ", make("span", { className: "unit", textContent: column.unit }))));
    this.body = make("tbody");
    this.find(".case-scores").append(make("table", {}, make("thead", {}, this.head), this.body));
  }

  connect() {
    const input = this.find(".case");
    const choose = (mustMatch) => {
      const wanted = input.value.trim().toLowerCase();
      const at = this.data.cases.findIndex((name) => name.toLowerCase() === wanted);
      input.setAttribute("aria-invalid", mustMatch && at < 0);
      if (at >= 0 && at !== this.case) this.choose(at);
    };
    input.addEventListener("input", () => choose(false));
    input.addEventListener("change", () => choose(true));
    input.addEventListener("focus", () => { input.value = ""; });
    input.addEventListener("blur", () => { if (input.getAttribute("aria-invalid") !== "true") input.value = this.data.cases[this.case]; });
    this.find(".previous").addEventListener("click", () => this.step(-1));
    this.find(".next").addEventListener("click", () => this.step(1));
    this.find(".order").addEventListener("change", (event) => this.sort(event.target.value === "" ? null : Number(event.target.value)));
    const zooms = { in: () => this.zoom(0.6), out: () => this.zoom(1 / 0.6), well: () => this.draw(), all: () => this.draw(allRange) };
    for (const [name, act] of Object.entries(zooms)) this.find(`.zoom-${name}`)?.addEventListener("click", act);
    this.element.addEventListener("keydown", (event) => {
      const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
      if (!step || event.target.matches("select, input[type=search], .scroll, canvas, summary") || event.ctrlKey || event.metaKey || event.altKey) return;
      event.preventDefault();
      this.step(step);
      if (event.target.dataset.symbol) this.find(".elements [tabindex='0']")?.focus();
    });
  }

  sort(column) {
    this.order = this.data.cases.map((_, at) => at);
    if (column !== null) {
      const declared = this.data.columns[column];
      const worst = this.order.map((at) => Math.max(...this.data.models.map((_, model) => {
        const found = distance(declared, this.score(model, at, column));
        return Number.isNaN(found) ? -Infinity : found;
      })));
      // Not worst[b] - worst[a]: two cases without a score would give NaN.
      this.order.sort((a, b) => (worst[a] < worst[b] ? 1 : worst[a] > worst[b] ? -1 : a - b));
      this.choose(this.order[0]);
    }
    this.draw();
  }

  step(by) {
    const { order } = this;
    this.choose(order[(order.indexOf(this.case) + by + order.length) % order.length]);
  }

  choose(at) {
    this.case = at;
    this.draw();
  }

  draw(range = firstRange) {
    const { data } = this;
    const input = this.find(".case");
    if (document.activeElement !== input) {
      input.value = data.cases[this.case];
      input.setAttribute("aria-invalid", false);
    }
    const drawn = this.plots.map((_, panel) => this.isDrawn(panel));
    this.plots.forEach((plot, panel) => {
      plot.hidden = !drawn[panel] && drawn.includes(true); // a panel that this case has nothing for; the last one says so
      if (!plot.hidden) this.drawPanel(plot, panel, range);
    });
    this.view?.show(data.cases[this.case], this.structures.of(this.case));
    this.find(".failed-here").replaceChildren(...data.models.flatMap((name, model) => {
      const failure = this.failures.get(`${model},${this.case}`);
      return failure ? [this.failed(name, failure)] : [];
    }));
    const thinned = this.drawing.stride > 1 ? ` Every ${this.drawing.stride}th point is drawn.` : "";
    this.find(".position").textContent =
      `${data.cases[this.case]}: ${this.order.indexOf(this.case) + 1} of ${data.cases.length}. The arrow keys go to the next one${this.plots.length ? "; drag to zoom, double-click to return" : ""}.${thinned}`;
    this.body.replaceChildren(...data.models.map((name, model) => make("tr", {},
      make("th", { className: "name" }, modelName(name)),
      ...data.columns.map((declared, column) => make("td", { className: "value", textContent: read(this.score(model, this.case, column), declared.ideal) })))));
    this.listeners.forEach((listener) => listener());
  }

  failed(name, { text, traceback }) {
    const said = make("p", {}, `${name}: ${text}`);
    return traceback ? make("details", {}, make("summary", {}, said), make("pre", { textContent: traceback })) : said;
  }

  drawPanel(plot, panel, range) {
    const [all, views] = [[], []];
    const traces = this.data.models.flatMap((name, model) => {
      const curve = this.curves.get([model, this.case, panel].join());
      if (!curve || !this.shown[model]) return [];
      const [x, y, n, low, high] = curve;
      if (low !== null) views.push([low, high]);
      const values = this.values.subarray(y, y + n);
      all.push(...values);
      const { colour: own, dash } = this.styles[model];
      return [{
        type: "scatter", mode: n > 60 ? "lines" : "lines+markers", name: escaped(name), x: this.values.subarray(x, x + n), y: values,
        line: { color: own, dash, width: 1.8 }, marker: { color: own, size: 5 }, hovertemplate: "%{y:.5~g}",
      }];
    });
    const layout = {
      // A zoom by hand stays while the case does, also when a model or the theme is switched.
      uirevision: `${this.case} ${range.name}`,
      showlegend: false, margin: { l: 64, r: 12, t: 28, b: 48 }, hovermode: "x unified",
      xaxis: { title: { text: escaped(this.drawing.x_title), standoff: 8 } },
      yaxis: { title: { text: escaped(this.drawing.panels[panel]), standoff: 6 }, range: range(all, views) },
      annotations: traces.length ? [] : [{ text: "no curve", showarrow: false, xref: "paper", yref: "paper", x: 0.5, y: 0.5, font: { color: colour("--soft") } }],
    };
    Plotly.react(plot, traces, themed(layout, false), CONFIG);
  }

  zoom(factor) {
    this.plots.filter((plot) => !plot.hidden).forEach((plot) => {
      const [low, high] = plot.layout.yaxis.range;
      const [middle, half] = [(low + high) / 2, ((high - low) / 2) * factor];
      Plotly.relayout(plot, { "yaxis.range": [middle - half, middle + half] });
    });
  }
}
