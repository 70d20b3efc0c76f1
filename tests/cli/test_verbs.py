"""The way of a user: run, status, analyse, rank, report, export, import, merge; and what programs read from them."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from ase.build import bulk, molecule
from ase.io import write

from forcegauge.cli.main import main
from forcegauge.cli.run import parse_shard, seconds
from forcegauge.errors import BadInput
from forcegauge.runner.run import RunOptions, plan


@pytest.fixture
def forcegauge(tmp_path, monkeypatch, capsys):
    """Run a verb and give back what it printed; with --json, as objects."""
    monkeypatch.chdir(tmp_path)

    def call(*words: str):
        monkeypatch.setattr(sys, "argv", ["forcegauge", *map(str, words)])
        with pytest.raises(SystemExit) as exit_:
            main()
        printed = capsys.readouterr()
        assert not exit_.value.code, printed.err
        return json.loads(printed.out) if "--json" in words else printed.out

    return call


def run_words(*more: str) -> list[str]:
    return ["run", "--models", "lennard-jones,emt", "--suite", "smoke", "--results", "results", "--threads", "1", *more]


def test_the_whole_way(forcegauge, tmp_path):
    rows = forcegauge(*run_words("--json"))
    assert [(row["model"], row["benchmark"], row["left"]) for row in rows] == [
        ("lennard-jones", "diatomics", 0),
        ("lennard-jones", "energy-volume", 0),
        ("emt", "diatomics", 0),
        ("emt", "energy-volume", 0),
    ]
    assert rows[0]["answered"] == rows[0]["cases"]
    assert rows[2]["unsupported"] > 0

    status = forcegauge("status", "results", "--json")
    assert all(row["left"] == 0 and row["percent"] == 100 for row in status)

    metrics = forcegauge("analyse", "results", "--json")
    columns = ["model", "benchmark", "metric", "value", "low", "high", "unit", "n_cases", "n_failed", "n_unsupported"]
    assert list(metrics[0]) == columns
    ideal = {row["metric"]: row["value"] for row in metrics if row["model"] == "lennard-jones"}
    assert ideal["force-flips"] == 1.0
    assert ideal["conservation-deviation"] < 1e-4

    ranks = forcegauge("rank", "results", "--json")
    assert [(row["rank"], row["model"]) for row in ranks] == [(1, "lennard-jones"), (2, "emt")]

    assert "report.html" in forcegauge("report", "results", "--output", "report.html")
    page = (tmp_path / "report.html").read_text()
    assert "lennard-jones" in page
    assert "Homonuclear diatomics" in page

    forcegauge("export", "results", "--to", "exported")
    forcegauge("import", "exported", "--format", "forcegauge", "--results", "restored")
    assert forcegauge("analyse", "restored", "--json") == metrics
    forcegauge("merge", "results", "restored", "--to", "united")
    assert forcegauge("analyse", "united", "--json") == metrics


def test_own_structures_take_the_place_of_the_cases(forcegauge, tmp_path):
    crystals = [bulk("Cu"), bulk("Al", cubic=True), bulk("Cu", "bcc", a=2.87)]
    crystals[2].info["name"] = "Cu-bcc"
    write(tmp_path / "mine.xyz", crystals, format="extxyz")
    words = ["--models", "emt", "--benchmarks", "diatomics,energy-volume", "--structures", "mine.xyz"]
    rows = forcegauge("run", *words, "--results", "mine", "--json")
    assert [(row["benchmark"], row["cases"], row["answered"]) for row in rows] == [
        ("diatomics", 2, 2),
        ("energy-volume", 3, 3),
    ]


def test_a_molecule_is_no_crystal(tmp_path, monkeypatch, capsys):
    write(tmp_path / "water.xyz", molecule("H2O"))
    monkeypatch.chdir(tmp_path)
    words = ["run", "--models", "emt", "--benchmarks", "energy-volume", "--structures", "water.xyz", "--results", "r"]
    monkeypatch.setattr(sys, "argv", ["forcegauge", *words])
    with pytest.raises(SystemExit) as exit_:
        main()
    assert exit_.value.code == 2
    assert "H2O-1" in capsys.readouterr().err


def test_a_calculator_of_ones_own(forcegauge, tmp_path):
    (tmp_path / "mine.py").write_text(
        "from ase.calculators.lj import LennardJones\n"
        "class Own(LennardJones):\n    identity = 'lj 2.0'\n"
        "def make():\n    return Own(sigma=2.0)\n"
    )
    words = ["run", "--calculator", "own=mine:make", "--benchmarks", "diatomics", "--preset", "smoke", "--results", "r"]
    (row,) = forcegauge(*words, "--json")
    assert (row["model"], row["answered"]) == ("own", 8)
    again = forcegauge(*words, "--json")
    assert forcegauge("status", "r", "--json")[0]["finished"] == 8
    assert again[0]["answered"] == 8


def test_cases_of_one_benchmark_of_several(forcegauge):
    rows = forcegauge(*run_words("--cases", "diatomics:Cu,energy-volume:Cu-fcc", "--json"))
    assert {row["cases"] for row in rows} == {1}


def test_a_mode_changes_settings_and_formulas(forcegauge):
    words = ["run", "--models", "lennard-jones", "--benchmarks", "diatomics", "--cases", "Ar", "--results", "r"]
    forcegauge(*words, "--mode", "arena")
    metrics = {row["metric"] for row in forcegauge("analyse", "r", "--mode", "arena", "--json")}
    assert "arena-energy-jump" in metrics


def test_python_has_the_same_words(tmp_path):
    from ase.calculators.emt import EMT

    import forcegauge

    calculator = EMT()
    options = {"benchmarks": "diatomics", "cases": ["Cu", "Al"], "results": tmp_path / "r", "progress": False}
    summary = forcegauge.run(calculators={"mine": calculator}, models="lennard-jones", **options)
    assert [row["answered"] for row in summary.rows] == [2, 2]
    (result,) = forcegauge.analyse(tmp_path / "r")
    assert {value.model for value in result.values} == {"lennard-jones", "mine"}
    assert set(forcegauge.rank(tmp_path / "r").models) == {"lennard-jones", "mine"}
    assert forcegauge.report(tmp_path / "r", tmp_path / "r.html").exists()
    with pytest.raises(AttributeError, match="it has __version__, analyse"):
        forcegauge.walk  # noqa: B018


def test_a_calculator_without_identity_counts_for_its_process_only(tmp_path):
    from ase.calculators.emt import EMT

    import forcegauge

    options = {"benchmarks": "diatomics", "cases": ["Cu"], "results": tmp_path / "r", "progress": False}
    forcegauge.run(calculators={"mine": EMT()}, **options)
    forcegauge.run(calculators={"mine": EMT()}, **options)
    from forcegauge.results.store import Store

    with Store.open(tmp_path / "r") as store:
        assert len(store.finished()) == 2
    named = EMT()
    named.identity = "emt of ase"
    for _ in range(2):
        forcegauge.run(calculators={"named": named}, **options)
    with Store.open(tmp_path / "r") as store:
        assert len(store.finished()) == 3


HEAVY = {"numpy", "ase", "scipy", "torch", "plotly", "pyarrow", "pandas", "matplotlib"}


@pytest.mark.parametrize(
    "words", ["import forcegauge", "from forcegauge.cli.main import app; app(['--help'], standalone_mode=False)"]
)
def test_start_up_imports_nothing_heavy(words):
    code = f"{words}; import sys; print('LOADED', *sorted({{name.split('.')[0] for name in sys.modules}}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.rpartition("LOADED")[2].split())
    assert not loaded & HEAVY


@pytest.mark.parametrize(
    ("text", "expected"), [("90", 90), ("90s", 90), ("1.5h", 5400), ("2h30m", 9000), ("1d", 86400), ("10 m", 600)]
)
def test_durations(text, expected):
    assert seconds("--budget", text) == expected


@pytest.mark.parametrize("text", ["", "m", "-5", "5 5x", "1h-2m", "0"])
def test_wrong_durations(text):
    with pytest.raises(BadInput, match="give a duration"):
        seconds("--budget", text)


def test_shards():
    assert parse_shard("2/8") == (2, 8)
    for text in ("0/2", "3/2", "1", "a/b", "1/2/3"):
        with pytest.raises(BadInput, match="give i/n"):
            parse_shard(text)


def test_a_suite_asks_what_it_can_of_ones_own_structures(tmp_path, capsys):
    own = {"models": ["emt"], "results": tmp_path, "structures": [("mine", bulk("Cu", cubic=True))]}
    asked = [chapter.benchmark.name for chapter in plan(RunOptions(suite="quick", **own))]
    assert {"energy-volume", "equation-of-state", "elasticity"} <= set(asked)
    assert "tilt" not in asked
    assert "left out: benchmark tilt" in capsys.readouterr().err
    with pytest.raises(BadInput, match="tilt"):
        plan(RunOptions(benchmarks=["tilt"], **own))
