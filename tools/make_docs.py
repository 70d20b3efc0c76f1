"""Write docs/benchmarks/<name>.md from each benchmark file, so that the pages cannot drift from the code.

python tools/make_docs.py            write the pages
python tools/make_docs.py --check    exit code 1 where a page is not current
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from forcegauge.benchmarks import registry
from forcegauge.benchmarks.base import Benchmark, Settings
from forcegauge.records import Metric

FOLDER = Path(__file__).resolve().parents[1] / "docs" / "benchmarks"
MODE_TITLES = {"default": "Metrics", "arena": "Metrics of mode `arena`", "sait": "Metrics of mode `sait`"}


def page(benchmark: Benchmark) -> str:
    """The whole page of a benchmark, in Markdown."""
    sections = [
        f"# {benchmark.title} (`{benchmark.name}`)",
        "<!-- made by tools/make_docs.py from the benchmark's file; do not edit -->",
        benchmark.doc.strip().replace("``", "`"),
        f"## Protocol\n\n{benchmark.protocol}\n\nA model must offer: {', '.join(benchmark.needs)}.",
        f"## Presets\n\n{_presets(benchmark.presets.items())}",
        *(f"## {MODE_TITLES[mode]}\n\n{_metrics(metrics)}" for mode, metrics in benchmark.metrics.items()),
        f"## Raw arrays\n\n{_table(('array', 'shape, unit'), benchmark.schema.items())}",
        f"## Case ids\n\n{_case_ids(benchmark)}",
        f"Run version {benchmark.run_version}, analysis version {benchmark.analysis_version}.",
    ]
    return "\n\n".join(sections) + "\n"


def index() -> str:
    """The page that lists all benchmarks and suites."""
    rows = [(f"[`{name}`]({name}.md)", registry.get(name).question) for name in registry.names()]
    suites = [(f"`{name}`", ", ".join(f"{b} ({p})" for b, p in pairs)) for name, pairs in registry.SUITES.items()]
    return (
        "# Benchmarks\n\n<!-- made by tools/make_docs.py -->\n\n"
        f"{_table(('benchmark', 'question'), rows)}\n\n## Suites\n\n{_table(('suite', 'benchmarks'), suites)}\n"
    )


def pages() -> dict[Path, str]:
    """Every generated page by its path."""
    named = {FOLDER / f"{name}.md": page(registry.get(name)) for name in registry.names()}
    return {FOLDER / "README.md": index(), **named}


def _presets(presets: Iterable[tuple[str, Settings]]) -> str:
    rows = [(f"`{name}`", *map(_setting, asdict(settings).values())) for name, settings in presets]
    fields = asdict(next(settings for _, settings in presets))
    return _table(("preset", *(field.replace("_", " ") for field in fields)), rows)


def _setting(value: Any) -> str:
    return (", ".join(map(str, value)) or "all") if isinstance(value, tuple) else str(value)


def _metrics(metrics: Sequence[Metric]) -> str:
    header = ("key", "unit", "better", "ideal", "good", "bad", "aggregate")
    rows = [
        (f"`{m.key}`", m.unit or "–", _better(m), f"{m.ideal:g}", f"{m.good:g}", f"{m.bad:g}", m.aggregate)
        for m in metrics
    ]
    meaning = "\n".join(f"- **{m.title}** (`{m.key}`): {m.description} Anchors: {m.reason}" for m in metrics)
    return f"{_table(header, rows)}\n\n{meaning}"


def _better(metric: Metric) -> str:
    return f"near {metric.ideal:g}" if metric.direction == "target" else metric.direction


def _case_ids(benchmark: Benchmark) -> str:
    """The ids of the quick preset, which needs no download."""
    ids = [case.id for case in benchmark.cases(benchmark.presets["quick"])]
    return f"The `quick` preset has {len(ids)}:\n\n" + " ".join(f"`{name}`" for name in ids)


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)


def main() -> int:
    stale = [path for path, text in pages().items() if not path.is_file() or path.read_text(encoding="utf-8") != text]
    if "--check" in sys.argv:
        print("\n".join(f"not current: {path}" for path in stale) or "all pages are current")
        return 1 if stale else 0
    FOLDER.mkdir(parents=True, exist_ok=True)
    for path, text in pages().items():
        path.write_text(text, encoding="utf-8")
    print(f"{len(stale)} pages changed in {FOLDER}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
