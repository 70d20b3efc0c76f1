"""A results folder without a model: Morse curves with noise for every element, parabolas for crystals, failures."""

import shutil
import time
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import plotly.graph_objects as go
import pytest
from ase.build import bulk
from ase.data import atomic_numbers, chemical_symbols, covalent_radii

from forcegauge.benchmarks import registry
from forcegauge.benchmarks.base import Benchmark, Curve, Explorer, Settings, selection
from forcegauge.errors import Failure
from forcegauge.records import PUBLISHED, Case, Metric, ModelIdentity, Planned, Protocol, Provenance, Raw, Record
from forcegauge.results.store import Store
from forcegauge.structures import Structures

HOSTILE = "<script>document.title='owned'</script>"
HOSTILE_TRACEBACK = "Traceback:\n</script></pre><script>document.title='owned'</script><img src=x onerror=alert(1)>"


@dataclass(frozen=True)
class ScanSettings(Settings):
    step_angstrom: float = 0.05
    strains: tuple[float, ...] = (-0.1, 0.1)
    subset: tuple[str, ...] = selection(())


def _metric(key, title, unit, good, bad, aggregate="mean", score=None, direction="lower"):
    return Metric(
        key=key,
        title=title,
        unit=unit,
        direction=direction,
        ideal=1.0 if direction != "lower" else 0.0,
        good=good,
        bad=bad,
        reason="Thermal noise at room temperature hides less than this.",
        score=score or key,
        aggregate=aggregate,
        description=f"{title} of the curve, over every case that has one.",
    )


def _scores(outcomes, references, settings, mode):
    return {
        case: {
            "jump": float(np.abs(np.diff(raw["y"], 2)).mean()),
            "flips": float(np.sum(np.diff(np.sign(np.gradient(raw["y"]))) != 0)),
            "smooth": float(np.abs(np.diff(raw["y"], 2)).max() < 5),
        }
        for case, raw in outcomes.items()
        if isinstance(raw, Raw)
    }


def _boxes(analysis):
    figure = go.Figure()
    for model, scores in analysis.scores.items():
        figure.add_box(y=[found["jump"] for found in scores.values()], name=model, boxpoints="all", jitter=0.4)
    return figure.update_layout(yaxis={"title": "Jump (eV)", "type": "log"}, showlegend=False)


def _curves(raw):
    depth = max(-float(raw["y"].min()), 0.1)
    return [
        Curve("energy", raw["x"], raw["y"], view=(-1.2 * depth, 2 * depth)),
        Curve("force", raw["x"], -np.gradient(raw["y"], raw["x"])),
    ]


def make_benchmark(name, title, choose, x_title, periodic_table=""):
    return Benchmark(
        name=name,
        theme="asymptotics",
        title=title,
        question=f"Is the energy of every {choose} as smooth as nature's?",
        protocol="The energy is scanned along one coordinate and compared with a smooth curve. Nothing is relaxed.",
        doc="",
        presets={"quick": ScanSettings()},
        modes={"default": lambda settings: settings},
        needs=("energy",),
        cases=lambda settings: [],
        structure_cases=None,
        run=None,
        analyse=_scores,
        metrics={
            "default": (
                _metric("jump", "Energy jump", "eV", 0.05, 2.0),
                _metric("flips", "Force flips", "", 1.0, 8.0, "median", direction="target"),
                _metric("smooth", "Smooth", "", 0.95, 0.5, "proportion", direction="higher"),
            )
        },
        schema={"x": "[n_points], Å", "y": "[n_points], eV"},
        figure=_boxes,
        explorer=Explorer(choose, x_title, {"energy": "Energy (eV)", "force": "Force (eV/Å)"}, _curves, periodic_table),
        run_version=1,
        analysis_version=1,
    )


SCAN = make_benchmark("diatomics", "Homonuclear diatomics", "element", "Distance (Å)", "jump")
CRYSTALS = make_benchmark("energy-volume", "Energy-volume scan", "crystal", "Volume ratio")


class MemoryStore:
    """The reading half of a store."""

    def __init__(self, records, planned=(), settings=ScanSettings()):
        self._records, self._planned, self._settings = list(records), list(planned), settings

    def records(self, *, benchmark=None, model=None):
        return iter([r for r in self._records if benchmark in (None, r.benchmark) and model in (None, r.model)])

    def protocols(self):
        fields = {name: list(v) if isinstance(v, tuple) else v for name, v in self._settings.protocol().items()}
        return [Protocol(name, self._settings.digest(), fields, 1) for name in ("diatomics", "energy-volume")]

    def planned(self):
        return self._planned

    def systems(self, benchmark):
        cases = self.cases(benchmark).values()
        return {case.id: "-".join(sorted(chemical_symbols[z] for z in case.elements)) for case in cases}

    def cases(self, benchmark):
        asked = {record.case_id: make_case(record) for record in self._records if record.benchmark == benchmark}
        return {case.digest(): case for case in asked.values()}


SALTS = ("NaCl", "LiF", "MgO", "FeO", "LiCl", "NaF")


def make_case(record):
    """An element without a structure, or one of six salts."""
    if record.benchmark == "diatomics":
        return Case(
            "diatomics", record.case_id, Structures.empty(), elements=frozenset([atomic_numbers[record.case_id]])
        )
    crystal = bulk(SALTS[int(record.case_id.rpartition("-")[2]) % len(SALTS)], "rocksalt", 5.0)
    structures = Structures.from_atoms([crystal, crystal])
    return Case(record.benchmark, record.case_id, structures, elements=frozenset(crystal.numbers.tolist()))


def make_record(model, benchmark, case, outcome, wall_s=0.02, source=""):
    weights = f"{PUBLISHED}{source}" if source else f"{abs(hash(model)):064x}"[-64:]
    provenance = Provenance(
        model=ModelIdentity(model, weights, {"dtype": "float32"}, 1, "" if source else "9f" * 16),
        packages={"torch": "2.13.0", "ase": "3.26.0", "numpy": "2.4.6", "chgnet": "0.4.2"},
        python="3.11.9",
        platform="Linux x86_64",
        device="cpu (Xeon 8481C)",
        calibration_gflops=61.3,
        dtype="float32",
        threads=2,
        forcegauge="0.1.0",
    )
    return Record(
        key=f"{model}/{benchmark}/{case}",
        model=model,
        benchmark=benchmark,
        case_id=case,
        settings=ScanSettings().digest(),
        outcome=outcome,
        provenance=provenance,
        seed=0,
        run_version=1,
        wall_s=wall_s,
        peak_memory_bytes=700 * 2**20,
        finished_at=1_790_000_000.0,
        atom_evaluations=240,
    )


def morse(symbol, noise, rng, n_points=120):
    number = atomic_numbers[symbol]
    radius = 2 * covalent_radii[number]
    x = np.linspace(0.3 * radius, 4 * radius, n_points)
    depth, width = 1 + 4 * np.abs(np.sin(number)), 1.6
    y = depth * ((1 - np.exp(-width * (x - radius))) ** 2 - 1) + noise * rng.normal(size=n_points)
    return Raw({"x": x, "y": y})


def _outcome(model_row, symbol, noise, rng):
    number = atomic_numbers[symbol]
    if number > 118 - 14 * model_row or (model_row and symbol in ("He", "Ne", "Po")):
        return Failure("unsupported_element", f"the model was not made for {symbol}")
    if model_row == 2 and number % 29 == 0:
        return Failure("crashed", f"the worker died on {symbol}", HOSTILE_TRACEBACK)
    return morse(symbol, noise, rng)


def make_store(models, n_crystals=40, n_points=120):
    rng = np.random.default_rng(0)
    records, planned = [], []
    for row, model in enumerate(models):
        noise = 0.004 * 6 ** (row % 3)
        for symbol in chemical_symbols[1:]:
            records.append(make_record(model, "diatomics", symbol, _outcome(row, symbol, noise, rng), 0.05 * (row + 1)))
        for at in range(n_crystals):
            x = np.linspace(0.8, 1.2, 21)
            y = (20 + at) * (x - 1) ** 2 + noise / 10 * rng.normal(size=21)
            records.append(make_record(model, "energy-volume", f"wbm-{at % 4 + 1}-{at * 37}", Raw({"x": x, "y": y})))
    planned.append(Planned("never", models[0], "energy-volume", "wbm-9-9", ScanSettings().digest()))
    return MemoryStore(records, planned)


def write_store(memory, folder):
    """The same records in a results folder."""
    with Store.writer(folder) as store, store.transaction():
        for protocol in memory.protocols():
            store.add_protocol(protocol)
        store.add_plan(memory.planned())
        for record in memory.records():
            store.commit(record, make_case(record))
    return folder


MODELS = ("chgnet", "sevennet-0", HOSTILE)


@pytest.fixture
def folder(synthetic, tmp_path):
    """A results folder of two models on disk."""
    return write_store(synthetic(("chgnet", "sevennet-0"), n_crystals=12), tmp_path / "results")


@pytest.fixture
def synthetic(monkeypatch):
    """The synthetic benchmarks in place of the real ones, and how to make a store of them."""
    monkeypatch.setattr(registry, "get", {"diatomics": SCAN, "energy-volume": CRYSTALS}.__getitem__)
    monkeypatch.setattr(time, "time", lambda: 1_790_003_600.0)
    return make_store


CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "google-chrome", "chromium-browser"))), None)


@pytest.fixture(scope="session")
def browser():
    sync_api = pytest.importorskip("playwright.sync_api", reason="the Python package playwright is not installed")
    if CHROMIUM is None:
        pytest.skip("neither chromium nor google-chrome is on the path")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        yield browser
        browser.close()


@contextmanager
def opened(browser, path, **options):
    """The report in a page; no request but for itself and nothing on the console may come of it."""
    context = browser.new_context(**{"viewport": {"width": 1280, "height": 900}} | options)
    page, complaints, requests = context.new_page(), [], []
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("request", lambda request: requests.append(request.url))
    page.goto(path.as_uri())
    for part in page.locator(".explorer, .figures > :not([hidden])").all():
        part.scroll_into_view_if_needed()
    page.wait_for_function(
        "() => [...document.querySelectorAll('.panels:not([hidden]), .figures > :not([hidden]) .plot')]"
        ".every(one => one.matches('.js-plotly-plot') || one.querySelector('.js-plotly-plot'))"
    )
    yield page
    context.close()
    assert complaints == []
    assert [url for url in requests if not url.startswith("data:") and url != path.as_uri()] == []


@pytest.fixture
def visit(browser):
    """Opens a report, see :func:`opened`."""
    return lambda path, **options: opened(browser, path, **options)
