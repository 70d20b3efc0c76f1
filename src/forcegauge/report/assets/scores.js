// ---- The scoring rule, as scoring/rank.py has it, over any choice of cases

/** Smaller is better; as metrics compute it. A score without anchors has no better end. */
function distance(column, value) {
  if (column.direction === "higher") return -value;
  return column.direction === "target" ? Math.abs(value - column.ideal) : value;
}

const packedCases = new Map();

/** The cases of a benchmark, unpacked once. */
function caseData(element) {
  if (!packedCases.has(element)) {
    const data = JSON.parse(element.querySelector(".case-data").textContent);
    const scores = floats(data.scores);
    data.scoreOf = (model, at, column) => scores[(model * data.cases.length + at) * data.columns.length + column];
    data.elements = data.systems.map((system) => (system ? system.split("-") : []));
    packedCases.set(element, data);
  }
  return packedCases.get(element);
}

const allCases = () => [...document.querySelectorAll(".explorer")].map(caseData);

function mean(values) {
  const there = values.filter((value) => !Number.isNaN(value));
  return there.reduce((sum, value) => sum + value, 0) / there.length; // NaN where nothing is
}

function median(values) {
  const there = values.filter((value) => !Number.isNaN(value)).sort((a, b) => a - b);
  const half = there.length / 2;
  return there.length ? (there[Math.ceil(half) - 1] + there[Math.floor(half)]) / 2 : NaN;
}

/** 0 at or beyond the bad anchor, 1 at or beyond the good one. */
function levelOf(metric, value) {
  const [bad, good, found] = [metric.bad, metric.good, value].map((one) => distance(metric, one));
  return Number.isNaN(found) ? NaN : Math.min(1, Math.max(0, (bad - found) / (bad - good)));
}

function aggregate(data, metric, model, cases) {
  const scores = cases.map((at) => data.scoreOf(model, at, metric.column));
  if (metric.aggregate === "median") return median(scores);
  return mean(metric.aggregate === "mean" ? scores : scores.map((score) => (Number.isNaN(score) ? NaN : Number(score === 1))));
}

/** The cases without other elements than the chosen ones that all models were asked; else those that any was. */
function chosenCases(data, chosen) {
  const fits = data.elements.map((symbols) => !chosen.size || symbols.every((symbol) => chosen.has(symbol)));
  const mine = data.cases.flatMap((_, at) => (fits[data.system[at]] ? [at] : []));
  const models = data.models.flatMap((_, model) => (mine.some((at) => data.outcomes[model][at] !== "-") ? [model] : []));
  const common = mine.filter((at) => models.every((model) => data.outcomes[model][at] !== "-"));
  return { models, cases: common.length ? common : mine };
}

/** By model: score, number of cases, coverage and metrics. */
function scoreBenchmark(data, chosen) {
  const { models, cases } = chosenCases(data, chosen);
  return new Map(models.map((model) => {
    const letters = cases.map((at) => data.outcomes[model][at]);
    const metrics = data.metrics.map((metric) => {
      const value = aggregate(data, metric, model, cases);
      const level = metric.barred.includes(data.models[model]) ? NaN : levelOf(metric, value);
      return { key: metric.key, ideal: metric.ideal, value, level };
    });
    const answered = mean(letters.map((letter) => ({ a: 1, f: 0 })[letter] ?? NaN));
    const score = !metrics.length ? answered : answered === 0 ? 0 : mean(metrics.map(({ level }) => level)) * answered;
    const n = letters.filter((letter) => letter !== "-").length;
    const coverage = letters.filter((letter) => letter === "a").length / n;
    return [data.models[model], { score, n, coverage, metrics }];
  }));
}

/** Scores over the cases that hold only chosen elements; over all cases where none is chosen. */
function rankFor(symbols) {
  const chosen = new Set(symbols);
  const benchmarks = new Map(allCases().map((data) => [data, scoreBenchmark(data, chosen)]).filter(([, found]) => found.size));
  const themes = [...new Set([...benchmarks.keys()].map((data) => data.theme))];
  const models = Object.keys(styles).map((model) => {
    const own = [...benchmarks].map(([data, found]) => [data, found.get(model)]);
    const missing = own.filter(([, found]) => !found).map(([data]) => data.benchmark);
    const byTheme = themes.map((theme) => mean(own.filter(([data]) => data.theme === theme).map(([, found]) => found?.score ?? NaN)));
    const cells = new Map(own.map(([data, found]) => [data.benchmark, found]));
    return { model, missing, score: missing.length ? NaN : mean(byTheme), themes: new Map(themes.map((theme, at) => [theme, byTheme[at]])), benchmarks: cells };
  });
  const key = ({ score }) => (Number.isNaN(score) ? -1 : score);
  models.sort((a, b) => key(b) - key(a) || (a.model < b.model ? -1 : 1));
  for (const one of models) one.rank = Number.isNaN(one.score) ? 0 : 1 + models.filter(({ score }) => score > one.score).length;
  const count = (choice) => allCases().reduce((sum, data) => sum + chosenCases(data, choice).cases.length, 0);
  return { themes, models, nCases: count(chosen), nAll: count(new Set()) };
}

// A handle for the console and for tests.
globalThis.ForceGauge = { rankFor };
