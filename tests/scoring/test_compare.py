"""A damaged copy is worse, a twin is undecided, and the gate says so."""

import math
import subprocess
import sys

import numpy as np
import pytest
from ase.calculators.calculator import Calculator, all_changes

import forcegauge
from forcegauge.cli.output import print_rows
from forcegauge.errors import BadInput, UnknownName
from forcegauge.models import analytic
from forcegauge.scoring import analyse, compare
from forcegauge.scoring.compare import left_out, markdown
from forcegauge.structures import Structures

CASES = "Al-fcc,Cu-fcc,Fe-bcc,Mg-hcp,Si-diamond,NaCl-rocksalt,GaAs-zincblende,Ni-fcc,Ag-fcc,Au-fcc,Pt-fcc,Pd-fcc,W-bcc"


class Seeded(Calculator):
    """Lennard-Jones as two trainings of it would differ: a small smooth error, other for every seed and formula."""

    implemented_properties = ("energy",)

    def __init__(self, seed):
        super().__init__()
        self.identity = f"seeded {seed}"
        self._seed, self._sound = seed, analytic.load("lennard-jones")

    def calculate(self, atoms=None, properties=("energy",), system_changes=all_changes):
        super().calculate(atoms, properties, system_changes)
        phase = np.random.default_rng([self._seed, *sorted(atoms.numbers)]).uniform(0, 6.28)
        (answer,) = self._sound.evaluate(Structures.from_atoms([atoms]), frozenset({"energy"}))
        self.results = {"energy": answer.energy + 0.2 * len(atoms) * math.cos(9 * atoms.cell.volume ** (1 / 3) + phase)}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    results = tmp_path_factory.mktemp("compare") / "results"
    options = {"benchmarks": "energy-volume", "results": results, "progress": False}
    forcegauge.run(["lennard-jones", "broken-discontinuous"], **options)
    forcegauge.run(calculators={"seed-1": Seeded(1), "seed-2": Seeded(2)}, cases=CASES.split(","), **options)
    return results


def test_a_damaged_copy_is_worse(folder):
    rows = forcegauge.compare(folder, baseline="lennard-jones", candidate="broken-discontinuous")
    worse = {row.metric: row for row in rows if row.verdict == "worse"}
    assert {"derivative-flips", "tortuosity"} <= set(worse)
    flips = worse["derivative-flips"]
    assert flips.effect < 0
    assert flips.high < 0
    assert flips.candidate > flips.baseline
    assert not any(row.verdict == "better" for row in rows)
    back = compare(folder, "broken-discontinuous", "lennard-jones")
    assert {row.metric for row in back if row.verdict == "better"} == set(worse)


def test_two_seeds_are_undecided(folder):
    rows = compare(folder, "seed-1", "seed-2")
    assert {row.verdict for row in rows} == {"undecided"}
    assert any(row.effect for row in rows)


def test_only_common_cases_are_compared(folder):
    rows = compare(folder, "lennard-jones", "seed-1")
    assert max(row.n_cases for row in rows) == len(CASES.split(","))


def test_an_effect_below_the_margin_does_not_matter(store):
    store.add("a", [0.5 + 0.001 * row for row in range(40)]).add("b", [0.503 + 0.001 * row for row in range(40)])
    results = analyse(store)
    small, counted = (
        next(row for row in compare(results, "a", "b", margin=margin) if row.metric == "mean_error")
        for margin in (0.01, 0.001)
    )
    assert (small.verdict, counted.verdict) == ("undecided", "worse")
    assert small.effect == pytest.approx(-0.003)


@pytest.mark.parametrize("margin", [-0.1, math.nan, math.inf])
def test_a_margin_that_would_open_the_gate_is_refused(store, margin):
    results = analyse(store.add("a", [0.1] * 12).add("b", [0.9] * 12))
    with pytest.raises(BadInput, match="margin"):
        compare(results, "a", "b", margin=margin)


def test_so_many_cases_are_more_than_there_are(store):
    """What is undecided needs more cases, and no number of them makes a small effect matter."""
    rng = np.random.default_rng(0)
    store.add("a", rng.normal(0.5, 0.2, 40).tolist()).add("b", rng.normal(0.5, 0.2, 40).tolist())
    open_one = next(row for row in compare(analyse(store), "a", "b") if row.metric == "mean_error")
    small = next(row for row in compare(analyse(store), "a", "b", margin=0.5) if row.metric == "mean_error")
    assert open_one.verdict == "undecided"
    assert open_one.n_to_decide > 40
    assert math.isnan(small.n_to_decide)


def test_what_only_one_was_asked_is_said(store):
    results = analyse(store.add("a", [0.1] * 12).add("a", [0.1] * 12, benchmark="others").add("b", [0.1] * 12))
    assert left_out(results, "a", "b") == ["others: not compared, b was not asked"]


def invoke(*words):
    asked = [sys.executable, "-m", "forcegauge", *map(str, words)]
    return subprocess.run(asked, capture_output=True, text=True, check=False)


def test_the_gate(folder, tmp_path):
    summary = tmp_path / "summary.md"
    asked = ["compare", folder, "--baseline", "lennard-jones", "--candidate", "broken-discontinuous"]
    failed = invoke(*asked, "--fail-if-worse", "--markdown", summary)
    assert failed.returncode == 1
    assert "energy-volume tortuosity" in failed.stderr
    assert "| worse | energy-volume | tortuosity |" in summary.read_text()
    assert invoke(*asked).returncode == 0
    twins = invoke("compare", folder, "--baseline", "seed-1", "--candidate", "seed-2", "--fail-if-worse")
    assert twins.returncode == 0
    unwritable = invoke(*asked, "--markdown", tmp_path / "missing" / "x.md")
    assert (unwritable.returncode, unwritable.stderr.count("\n")) == (2, 1)


def test_bad_names(folder):
    with pytest.raises(UnknownName, match="lennard-jones"):
        compare(folder, "lennard-jone", "seed-1")
    with pytest.raises(BadInput, match="needs two"):
        compare(folder, "seed-1", "seed-1")


def test_names_from_outside_are_text_in_a_title(capsys):
    print_rows([{"x": 40 * "1"}], as_json=False, title="a[/b] against [red]c")
    assert "a[/b] against [red]c" in capsys.readouterr().out


def test_names_from_outside_stay_code(folder):
    text = markdown(compare(folder, "seed-1", "seed-2"), "a`| <script>", "b\nc")
    assert "`a'| <script>`" in text
    assert "`b c`" in text
