"""Every wrong input gets its line and exit code 2, never a traceback."""

from __future__ import annotations

import sqlite3
import sys

import pytest

from forcegauge.cli.main import main
from forcegauge.models import environments
from forcegauge.results.store import Store

RUN = ["run", "--models", "lennard-jones", "--benchmarks", "diatomics", "--cases", "H", "--results", "results"]


@pytest.fixture
def complain(tmp_path, monkeypatch, capfd):
    """The one line that a command complains with."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("FORCEGAUGE_MIRROR", raising=False)

    def run(*words: str) -> str:
        monkeypatch.setattr(sys, "argv", ["forcegauge", *words])
        with pytest.raises(SystemExit) as exit_:
            main()
        error = capfd.readouterr().err
        assert exit_.value.code == 2, error
        assert "Traceback" not in error
        lines = [line for line in error.splitlines() if line.startswith("forcegauge: ")]
        assert len([line for line in lines if "building environment" not in line]) == 1, error
        return error

    return run


def changed(option: str, value: str) -> list[str]:
    words = list(RUN)
    if option in words:
        words[words.index(option) + 1] = value
        return words
    return [*words, option, value]


@pytest.mark.parametrize(
    ("option", "value", "expected"),
    [
        ("--models", "chgnt", "no model 'chgnt': did you mean 'chgnet'"),
        ("--models", "", "no model to run: give --models"),
        ("--benchmarks", "diatomic", "no benchmark 'diatomic': did you mean 'diatomics'"),
        ("--cases", "Hh", "no case of benchmark diatomics 'Hh': did you mean 'H'"),
        ("--preset", "fast", "no preset 'fast': there are: smoke, quick, full"),
        ("--mode", "arean", "no mode 'arean': did you mean 'arena'"),
        ("--suite", "quick", "give --benchmarks or --suite, not both"),
        ("--workers", "many", "'--workers'"),
        ("--workers", "0", "'--workers'"),
        ("--timeout", "soon", "--timeout soon: give a duration above zero such as 90s"),
        ("--budget", "30x", "--budget 30x: give a duration"),
        ("--budget", "0s", "--budget 0s: give a duration above zero"),
        ("--shard", "5/4", "--shard 5/4: give i/n with i from 1 to n"),
        ("--dtype", "half", "--dtype half: give float32 or float64"),
        ("--calculator", "mine.py", "--calculator mine.py: give package.module:factory"),
        ("--structures", "absent.xyz", "--structures absent.xyz: there is no such file"),
        ("--python", "absent/python", "absent/python does not run as a Python interpreter"),
        ("--wrokers", "2", "No such option"),
    ],
)
def test_a_wrong_option_has_its_line(complain, tmp_path, option, value, expected):
    assert expected in complain(*changed(option, value))
    assert not (tmp_path / "results" / "records.sqlite").exists()


def test_an_unknown_suite_offers_the_known_ones(complain):
    error = complain("run", "--models", "emt", "--suite", "qick", "--results", "results")
    assert "no suite 'qick': did you mean 'quick'" in error


def test_structures_that_ase_cannot_read(complain, tmp_path):
    (tmp_path / "broken.xyz").write_text("what is this?\n")
    assert "ASE cannot read it" in complain(*changed("--structures", "broken.xyz"))


def test_a_calculator_factory_that_raises(complain, tmp_path):
    (tmp_path / "my_module.py").write_text("def make():\n    raise RuntimeError('no licence found')\n")
    error = complain(*changed("--calculator", "mine=my_module:make"))
    assert "model mine does not load" in error
    assert "RuntimeError: no licence found" in error
    error = complain(*changed("--calculator", "mine=my_module:other"))
    assert "has no attribute 'other'" in error
    error = complain(*changed("--calculator", "absent_module:make"))
    assert "No module named 'absent_module'" in error


@pytest.mark.parametrize("verb", [["status"], ["analyse"], ["rank"], ["report"], ["export", "--to", "out"]])
def test_a_results_folder_that_is_none(complain, tmp_path, verb):
    head, *tail = verb
    assert "forcegauge run" in complain(head, "absent", *tail)
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "records.sqlite").write_text("this is a shopping list, not a database\n" * 100)
    assert "other" in complain(head, "other", *tail)


def filled(folder) -> None:
    with Store.writer(folder):
        pass


def test_a_store_of_a_newer_schema(complain, tmp_path):
    filled(tmp_path / "results")
    with sqlite3.connect(tmp_path / "results" / "records.sqlite") as database:
        database.execute("PRAGMA user_version = 999")
    database.close()
    for words in (["status", "results"], RUN):
        error = complain(*words)
        assert "999" in error
        assert "pgrade" in error


def test_a_truncated_store(complain, tmp_path):
    filled(tmp_path / "results")
    path = tmp_path / "results" / "records.sqlite"
    path.write_bytes(path.read_bytes()[:5000])
    for words in (["status", "results"], RUN):
        assert "damaged" in complain(*words)


def test_a_results_path_that_cannot_be_written(complain):
    assert "/proc/results" in complain(*changed("--results", "/proc/results"))


def test_a_results_path_that_is_a_file(complain, tmp_path):
    (tmp_path / "results").write_text("mine")
    complain(*RUN)
    assert (tmp_path / "results").read_text() == "mine"


def test_a_results_folder_in_use(complain, tmp_path):
    with Store.writer(tmp_path / "results"):
        assert "in use" in complain(*RUN) or "another" in complain(*RUN)


FULL = ["run", "--models", "emt", "--benchmarks", "energy-volume", "--preset", "full", "--results", "results"]


def test_data_with_a_wrong_checksum(complain, tmp_path, monkeypatch):
    place = "raw.githubusercontent.com/atomind-ai/mlip-arena/5f2d6be035c5f6b4ee9ae87cd8fa2f8835507acd/examples"
    (tmp_path / "mirror" / place).mkdir(parents=True)
    (tmp_path / "mirror" / place / "wbm_structures.db").write_bytes(b"tampered")
    monkeypatch.setenv("FORCEGAUGE_MIRROR", str(tmp_path / "mirror"))
    monkeypatch.setenv("FORCEGAUGE_CACHE", str(tmp_path / "cache"))
    for words in (["data", "fetch", "wbm-1000"], FULL):
        error = complain(*words)
        assert "cc387c77" in error
        assert "SHA-256" in error


def test_data_without_network_or_mirror(complain, tmp_path, monkeypatch):
    monkeypatch.setenv("FORCEGAUGE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("FORCEGAUGE_MIRROR", str(tmp_path / "no-mirror"))
    for words in (["data", "fetch", "wbm-1000"], FULL):
        assert "FORCEGAUGE_MIRROR" in complain(*words)


def test_an_environment_that_does_not_build(complain, tmp_path, monkeypatch):
    monkeypatch.setenv("FORCEGAUGE_CACHE", str(tmp_path / "cache"))
    wrong = {"core": {"requirements": []}, "crystal-graphs": {"requirements": [str(tmp_path / "no-such-package.whl")]}}
    monkeypatch.setattr(environments, "_environments", lambda: wrong)
    error = complain("run", "--models", "chgnet", "--suite", "smoke", "--results", "results")
    assert "environment crystal-graphs does not build" in error
    assert "no-such-package" in error.splitlines()[-1] + error.splitlines()[-2]
    assert str(tmp_path / "cache") in error
    assert not list((tmp_path / "cache" / "environments").glob("crystal-graphs-*/bin"))


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (("--variant", "argsort"), "belongs to --mode arena, not to mode default"),
        (("--variant", "sorted", "--mode", "arena"), "no variant of mode arena 'sorted'"),
    ],
)
def test_a_variant_that_would_be_ignored_is_refused(complain, words, line):
    assert line in complain("rank", "results", *words)
