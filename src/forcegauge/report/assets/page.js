// Draws figures, explorers and periodic tables from the data embedded in the page. Text from outside the page is only
// ever set as textContent, or escaped where Plotly would read markup.
(() => {
  "use strict";
  const root = document.documentElement;
  const styles = JSON.parse(document.getElementById("styles").textContent);
  const prefersDark = matchMedia("(prefers-color-scheme: dark)");
  const isDark = () => (root.dataset.theme || (prefersDark.matches ? "dark" : "light")) === "dark";
  const colour = (name) => getComputedStyle(root).getPropertyValue(name).trim();
  const escaped = (text) => String(text).replace(/&/g, "&amp;").replace(/</g, "&lt;");
  const drawn = new Set(); // what to draw again when the theme changes

  function make(tag, properties = {}, ...children) {
    const element = Object.assign(document.createElement(tag), properties);
    element.append(...children);
    return element;
  }

  /** As the tables do: four digits, and two of the distance from the ideal, so that 1.0003 does not read 1. */
  function read(number, ideal = 0) {
    if (Number.isNaN(number)) return "–";
    if (!Number.isFinite(number)) return number > 0 ? "∞" : "−∞";
    const [size, off] = [Math.abs(number), Math.abs(number - ideal)];
    const digits = off > 1e-6 && off < size ? Math.max(4, 2 + Math.floor(Math.log10(size)) - Math.floor(Math.log10(off))) : 4;
    const text = size >= 1e6 || (size > 0 && size < 1e-4) ? number.toExponential(2) : String(Number(number.toPrecision(digits)));
    return text.replace(/-/g, "−").replace("e+", "e");
  }

  function floats(text) {
    const raw = atob(text);
    const bytes = new Uint8Array(raw.length);
    for (let at = 0; at < raw.length; at += 1) bytes[at] = raw.charCodeAt(at);
    return new Float32Array(bytes.buffer);
  }

  function swatch(style) {
    const mark = make("span", { className: "swatch" });
    mark.style.setProperty("--colour", style.colour);
    mark.dataset.dash = style.dash;
    return mark;
  }

  // ---- Plotly in the page's colours

  const CONFIG = {
    responsive: true, displaylogo: false,
    modeBarButtonsToRemove: ["select2d", "lasso2d", "autoScale2d", "toggleSpikelines", "hoverClosestCartesian", "hoverCompareCartesian"],
  };

  function themed(layout) {
    const [ink, soft, line] = [colour("--ink"), colour("--soft"), colour("--line")];
    const axis = { gridcolor: line, zerolinecolor: line, linecolor: line, tickcolor: line, automargin: true };
    const result = {
      ...layout, autosize: true, paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)",
      font: { ...layout.font, family: getComputedStyle(document.body).fontFamily, size: 12.5, color: ink },
      modebar: { bgcolor: "rgba(0,0,0,0)", color: soft, activecolor: ink },
      hoverlabel: { bgcolor: colour("--raised"), bordercolor: line, font: { color: ink }, namelength: -1 },
    };
    for (const name of new Set(["xaxis", "yaxis", ...Object.keys(layout).filter((key) => /^[xy]axis\d+$/.test(key))])) {
      result[name] = { ...layout[name], ...axis, title: { ...layout[name]?.title, font: { size: 12.5 } } };
    }
    return result;
  }

  function whenNear(element, draw) {
    const first = () => { observer.disconnect(); drawn.add(draw); draw(); };
    const observer = new IntersectionObserver((entries) => {
      if (entries.some((entry) => entry.isIntersecting)) first();
    }, { rootMargin: "800px" });
    observer.observe(element);
    addEventListener("beforeprint", () => { if (!drawn.has(draw)) first(); });
  }

  function overview(section) {
    const plot = section.querySelector(".overview");
    if (!plot) return;
    const figure = JSON.parse(section.querySelector(".overview-data").textContent);
    const margin = { l: 10, r: 10, t: figure.layout.title ? 50 : 20, b: 10, ...figure.layout.margin };
    whenNear(plot, () => Plotly.react(plot, figure.data, themed({ ...figure.layout, margin }), CONFIG));
  }

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

  /** Smaller is better; as metrics compute it. A score without anchors has no better end. */
  function distance(column, value) {
    if (column.direction === "higher") return -value;
    return column.direction === "target" ? Math.abs(value - column.ideal) : value;
  }

  class Explorer {
    constructor(element) {
      this.element = element;
      this.find = (selector) => element.querySelector(selector);
      this.data = JSON.parse(this.find(".explorer-data").textContent);
      this.values = floats(this.data.floats);
      this.scores = floats(this.data.scores);
      this.styles = this.data.models.map((name) => styles[name]);
      this.shown = this.data.models.map(() => true);
      this.curves = new Map(this.data.curves.map((row) => [row.slice(0, 3).join(), row.slice(3)]));
      this.failures = new Map(this.data.failures.map(([model, at, text]) => [`${model},${at}`, text]));
      this.order = this.data.cases.map((_, at) => at);
      this.case = Math.max(0, this.data.cases.findIndex((_, at) => this.curves.has(`0,${at},0`)));
      this.listeners = [];
      this.build();
      this.connect();
    }

    score(model, at, column) {
      const { cases, columns } = this.data;
      return this.scores[(model * cases.length + at) * columns.length + column];
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
      this.plots = data.panels.map((title) => {
        const plot = make("div", { className: "plot" });
        plot.dataset.title = title;
        return plot;
      });
      this.find(".panels").append(...this.plots);
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
      this.find(".zoom-in").addEventListener("click", () => this.zoom(0.6));
      this.find(".zoom-out").addEventListener("click", () => this.zoom(1 / 0.6));
      this.find(".zoom-well").addEventListener("click", () => this.draw());
      this.find(".zoom-all").addEventListener("click", () => this.draw(allRange));
      this.element.addEventListener("keydown", (event) => {
        const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
        if (!step || event.target.matches("select, input[type=search], .scroll") || event.ctrlKey || event.metaKey || event.altKey) return;
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
      this.plots.forEach((plot, panel) => this.drawPanel(plot, panel, range));
      this.find(".failed-here").textContent = data.models
        .map((name, model) => [name, this.failures.get(`${model},${this.case}`)])
        .filter(([, text]) => text).map(([name, text]) => `${name}: ${text}`).join("\n");
      const thinned = data.stride > 1 ? ` Every ${data.stride}th point is drawn.` : "";
      this.find(".position").textContent =
        `${data.cases[this.case]}: ${this.order.indexOf(this.case) + 1} of ${data.cases.length}. The arrow keys go to the next one; drag to zoom, double-click to return.${thinned}`;
      this.body.replaceChildren(...data.models.map((name, model) => make("tr", {},
        make("th", { className: "name" }, make("span", { className: "model" }, swatch(this.styles[model]), make("span", { className: "text", textContent: name, title: name }))),
        ...data.columns.map((declared, column) => make("td", { className: "value", textContent: read(this.score(model, this.case, column), declared.ideal) })))));
      this.listeners.forEach((listener) => listener());
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
        showlegend: false, margin: { l: 10, r: 10, t: 28, b: 10 }, hovermode: "x unified",
        xaxis: { title: { text: escaped(this.data.x_title), standoff: 8 } },
        yaxis: { title: { text: escaped(this.data.panels[panel]), standoff: 6 }, range: range(all, views) },
        annotations: traces.length ? [] : [{ text: "no curve", showarrow: false, xref: "paper", yref: "paper", x: 0.5, y: 0.5, font: { color: colour("--soft") } }],
      };
      Plotly.react(plot, traces, themed(layout), CONFIG);
    }

    zoom(factor) {
      this.plots.forEach((plot) => {
        const [low, high] = plot.layout.yaxis.range;
        const [middle, half] = [(low + high) / 2, ((high - low) / 2) * factor];
        Plotly.relayout(plot, { "yaxis.range": [middle - half, middle + half] });
      });
    }
  }

  // ---- The periodic table: cividis, which colour-blind readers see as others do

  const CIVIDIS = ["#00224e", "#123570", "#3b496c", "#575d6d", "#707173", "#8a8678", "#a59c74", "#c3b369", "#e1cc55", "#fee838"]
    .map((hex) => [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16)));

  function cividis(level) {
    const place = Math.min(Math.max(level, 0), 1) * (CIVIDIS.length - 1);
    const low = Math.min(Math.floor(place), CIVIDIS.length - 2);
    return CIVIDIS[low].map((from, channel) => Math.round(from + (place - low) * (CIVIDIS[low + 1][channel] - from)));
  }

  function scale(explorer, column) {
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

  function periodicTable(explorer) {
    const { data, find } = explorer;
    const column = data.table;
    if (column === null || !find(".periodic")) return;
    const { level, from, to } = scale(explorer, column);
    const unit = data.columns[column].unit;
    const select = find(".table-model");
    select.append(...data.models.map((name, at) => make("option", { value: at, textContent: name })));
    find(".table-score").textContent = data.columns[column].title + (unit ? ` (${unit})` : "");
    find(".from").textContent = from;
    find(".to").textContent = to;
    find(".ramp").style.background = `linear-gradient(to right, ${CIVIDIS.map((rgb) => `rgb(${rgb})`).join()})`;
    const buttons = [...explorer.element.querySelectorAll(".elements button")];
    const rows = new Map(data.cases.map((name, at) => [name, at]));
    const paint = () => {
      const model = Number(select.value);
      for (const button of buttons) {
        const { symbol } = button.dataset;
        const at = rows.get(symbol);
        const value = at === undefined ? NaN : explorer.score(model, at, column);
        const isMissing = Number.isNaN(value);
        const rgb = isMissing ? null : cividis(level(value));
        button.className = isMissing ? "missing" : "";
        button.style.background = rgb ? `rgb(${rgb})` : "";
        button.style.color = rgb ? (rgb[0] * 0.3 + rgb[1] * 0.59 + rgb[2] * 0.11 > 125 ? "#101418" : "#f4f6f8") : "";
        button.title = `${symbol}: ${isMissing ? explorer.failures.get(`${model},${at}`) ?? "no score" : `${read(value, data.columns[column].ideal)} ${unit}`}`;
        button.disabled = at === undefined;
        button.setAttribute("aria-current", at === explorer.case);
        button.tabIndex = at === explorer.case ? 0 : -1; // one tab stop; arrow keys go on from there
      }
    };
    for (const button of buttons) button.addEventListener("click", () => explorer.choose(rows.get(button.dataset.symbol)));
    select.addEventListener("change", paint);
    explorer.listeners.push(paint);
    paint();
  }

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
        links.get(entry.target.id)?.setAttribute("aria-current", "true");
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

  followSections();
  for (const section of document.querySelectorAll(".benchmark")) {
    overview(section);
    const element = section.querySelector(".explorer");
    if (!element) continue;
    let explorer;
    whenNear(element, () => {
      if (!explorer) {
        explorer = new Explorer(element);
        periodicTable(explorer);
      }
      explorer.draw();
    });
  }
})();
