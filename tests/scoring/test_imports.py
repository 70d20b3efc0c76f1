"""What others have published comes in whole or not at all, and gives their numbers."""

from __future__ import annotations

import csv
import gzip
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from forcegauge.benchmarks import registry
from forcegauge.benchmarks.asymptotics.diatomics import distances
from forcegauge.cli.main import app
from forcegauge.errors import BadInput, Failure, UnknownName
from forcegauge.results.exchange import export, import_forcegauge
from forcegauge.results.merge import merge
from forcegauge.results.store import Store
from forcegauge.scoring import analyse, published, rank
from forcegauge.scoring.imports import import_published

CRYSTALS = ("Cu-fcc", "NaCl-rocksalt", "Si-diamond")
RATIO = {"arena-ev": np.linspace(0.8, 1.2, 21) ** 3, "arena-eos": np.linspace(0.8, 1.2, 21)}
MATBENCH = (
    "model_key,model_params,discovery.full_test_set.F1,discovery.full_test_set.TP,discovery.full_test_set.FP,"
    "discovery.full_test_set.TN,discovery.full_test_set.FN,discovery.full_test_set.MAE,"
    "discovery.full_test_set.missing_preds,phonons.kappa_103.κ_SRME\n"
    "mace-mpa-0,9000000,0.8,10,20,30,40,0.05,3,0.4\nCHGNet,400000,0.6,9,21,29,41,0.06,,\n"
)
SAIT = (
    "dataset,loss,model,EF_ID,EF_OOD,RDF_ID,RDF_OOD,ADF_ID,ADF_OOD,V0_ID_pct,V0_OOD_pct,B0_ID_pct,B0_OOD_pct\n"
    "HfO,MSE,DimeNet++,48.0,70.0,0.032,,0.025,,0.063,1.9,1.0,39.0\n"
)


def crystal_rows(form="arena-ev", names=CRYSTALS, **changes):
    """Curves as they are published: a parabola around the volume of each built-in crystal."""
    found = {
        case.id: case for case in registry.get("energy-volume").cases(registry.get("energy-volume").presets["quick"])
    }
    rows = []
    for name in names:
        middle = found[name].structures[0].cell.volume
        ratio = RATIO[form]
        curve = {"energies": (-3 + (ratio - 1) ** 2).tolist(), "volumes": (ratio * middle).tolist()}
        rows.append({"id": name, "method": "Ours(v2)", "eos": curve, **changes})
    return rows


def parquet(path, rows):
    pq.write_table(pa.Table.from_pylist(rows), path)
    return path


def pair(symbol="H", number=1, step=0.01, **changes):
    r = distances(number, step)[::-1]
    row = {"name": 2 * symbol, "method": "Ours", "R": r.tolist(), "E": (1 / r).tolist(), "F": (1 / r**2).tolist()}
    return {**row, **changes}


def packed(path, rows):
    path.write_bytes(gzip.compress(json.dumps(rows).encode()))
    return path


def records(folder):
    with Store.open(folder) as store:
        return {one.case_id: one for one in store.records()}


def contents(folder, to):
    """Every bit of a store: equal stores export equal bytes."""
    export(folder, to)
    return {path.name: path.read_bytes() for path in to.rglob("*") if path.is_file()}


# -- curves


@pytest.mark.parametrize(("form", "benchmark"), [("arena-ev", "energy-volume"), ("arena-eos", "equation-of-state")])
def test_crystal_curves_become_records_of_the_same_cases(tmp_path, form, benchmark):
    path = parquet(tmp_path / "Ours.parquet", crystal_rows(form))
    assert import_published(path, form, tmp_path / "results", "ours-published").n_new == 3
    bound = registry.get(benchmark)
    local = {case.id: case for case in bound.cases(bound.settings("quick", "arena"))}
    with Store.open(tmp_path / "results") as store:
        assert set(store.cases()) == {local[name].digest() for name in CRYSTALS}
        (identity,) = [one.model for one in store.provenances().values()]
    assert identity.weights.startswith("published:MLIP Arena, arXiv 2509.20630")
    assert identity.options["published_name"] == "Ours(v2)"
    one = records(tmp_path / "results")["NaCl-rocksalt"]
    assert (one.outcome["n_atoms"], one.atom_evaluations) == (2, 0)
    for mode in ("default", "arena"):
        (result,) = analyse(tmp_path / "results", mode)
        assert result.failures == ()
        assert list(result.published) == ["ours-published"]
        assert result.published["ours-published"].startswith("MLIP Arena")
        assert next(value.value for value in result.values if value.metric.endswith("tortuosity")) == pytest.approx(1)
    assert rank(tmp_path / "results").models == ("ours-published",)


def test_diatomic_curves_are_turned_round(tmp_path):
    rows = [pair("H", 1), pair("Cu", 29), pair("O", 8, E=[None] * len(distances(8, 0.01)))]
    plain = tmp_path / "ours.json"
    plain.write_text(json.dumps(rows))
    packed(tmp_path / "ours.json.gz", rows)
    for path in (plain, tmp_path / "ours.json.gz"):
        import_published(path, "arena-diatomics", tmp_path / path.name[5:], "ours")
        found = records(tmp_path / path.name[5:])
        assert np.all(np.diff(found["Cu"].outcome["distance"]) > 0)
        assert found["Cu"].outcome["energy"][0] == max(rows[1]["E"])
        assert found["O"].outcome.kind == "non_finite"
    assert len(analyse(tmp_path / "json", "arena")[0].analysis.scores["ours"]) == 2


def test_what_the_table_beside_the_curves_calls_missing_is_a_failure(tmp_path):
    path = parquet(tmp_path / "Ours.parquet", crystal_rows(names=CRYSTALS[:2]))
    table = [{"structure": name, "missing": name == "Si-diamond"} for name in CRYSTALS]
    parquet(tmp_path / "Ours_processed.parquet", table)
    import_published(path, "arena-ev", tmp_path / "results", "ours")
    found = records(tmp_path / "results")
    assert [name for name, one in found.items() if isinstance(one.outcome, Failure)] == ["Si-diamond"]
    assert found["Si-diamond"].outcome.is_final
    value = analyse(tmp_path / "results", "arena")[0].value("ours", "coverage")
    assert (value.n_cases, value.n_failed) == (3, 1)


def test_importing_twice_changes_nothing(tmp_path):
    exports = []
    for name in ("exported", "exported again"):
        import_published(parquet(tmp_path / "a.parquet", crystal_rows()), "arena-ev", tmp_path / "r", "ours")
        path = tmp_path / "metrics.csv"
        path.write_text(MATBENCH)
        import_published(path, "matbench", tmp_path / "r")
        path.write_text(SAIT)
        import_published(path, "sait-indicators", tmp_path / "r")
        exports.append(contents(tmp_path / "r", tmp_path / name))
    assert exports[0] == exports[1]
    merged = merge([tmp_path / "r"], tmp_path / "merged")
    assert (merged.n_new, merged.n_published) == (3, 23)
    import_forcegauge(tmp_path / "exported", tmp_path / "again")
    for copy in ("merged", "again"):
        assert contents(tmp_path / copy, tmp_path / f"from {copy}") == exports[0]


def test_keys_never_meet_those_of_other_models_and_files(tmp_path):
    rows = crystal_rows()
    first = parquet(tmp_path / "first.parquet", rows)
    import_published(first, "arena-ev", tmp_path / "r", "ours")
    import_published(first, "arena-ev", tmp_path / "r", "the-same-by-another-name")
    rows[0]["eos"]["energies"][3] += 1e-9
    import_published(parquet(tmp_path / "second.parquet", rows), "arena-ev", tmp_path / "r", "ours")
    with Store.open(tmp_path / "r") as store:
        assert len(store.finished()) == 9
    (result,) = analyse(tmp_path / "r")
    assert {model: len(own) for model, own in result.records.items()} == {"ours": 3, "the-same-by-another-name": 3}
    assert any("2 sets of weights" in note for note in result.notes)


def test_the_name_of_a_model_that_was_run_is_refused(tmp_path):
    path = parquet(tmp_path / "a.parquet", crystal_rows())
    import_published(path, "arena-ev", tmp_path / "r", "ours")
    with Store.writer(tmp_path / "local") as store, Store.open(tmp_path / "r") as source:
        for one, case in source.entries():
            run = replace(one.provenance, model=replace(one.provenance.model, weights="0" * 64, environment="lock"))
            store.commit(replace(one, provenance=run), source.case(case))
    with pytest.raises(BadInput, match=r"records of ours for energy-volume .* were run here.* such as ours-published"):
        import_published(path, "arena-ev", tmp_path / "local", "ours")
    assert import_published(path, "arena-ev", tmp_path / "local", "ours-published").n_new == 3
    rows = [{**row, "method": "Theirs"} for row in crystal_rows()]
    with pytest.raises(BadInput, match=r"are those of the published Ours.* not of Theirs: .* theirs-published"):
        import_published(parquet(tmp_path / "b.parquet", rows), "arena-ev", tmp_path / "r", "ours")


def _spoilt(rows, change):
    change(rows)
    return rows


CURVES = [
    (lambda rows: rows[1]["eos"]["volumes"].pop(), "NaCl-rocksalt has 21 energies at 20 volumes, not 21 each"),
    (
        lambda rows: rows[1]["eos"]["volumes"].__setitem__(2, 30.0),
        "the volumes of NaCl-rocksalt are not those of energy",
    ),
    (lambda rows: rows.append(rows[0]), "Cu-fcc occurs twice"),
    (lambda rows: rows[2].update(method="another"), "it holds 2 models (Ours(v2), another), not one"),
    (
        lambda rows: rows[0]["eos"].update(volumes=[2 * v for v in rows[0]["eos"]["volumes"]]),
        "the middle volume of Cu-fcc",
    ),
    (lambda rows: [row.pop("eos") for row in rows], "no column eos (there are id, method)"),
    (lambda rows: [row.update(structure="x") or row.pop("id") for row in rows], "give the raw curves beside it"),
    (lambda rows: rows[0].update(eos=None), "Cu-fcc is no list of numbers"),
]


def _refused(tmp_path, path, form, line, model="ours"):
    """One line, and nothing written."""
    with pytest.raises(BadInput) as error:
        import_published(path, form, tmp_path / "results", model)
    assert line in str(error.value)
    assert "\n" not in str(error.value)
    assert not (tmp_path / "results").exists()


@pytest.mark.parametrize(("change", "line"), CURVES)
def test_curves_that_do_not_fit_are_refused_whole(tmp_path, change, line):
    _refused(tmp_path, parquet(tmp_path / "a.parquet", _spoilt(crystal_rows(), change)), "arena-ev", line)


@pytest.mark.parametrize(
    ("form", "content", "line"),
    [
        ("arena-ev", b"PAR1 and no more", "this is no Parquet file"),
        ("arena-ev", b"model,rank\nx,1\n", "no column missing in its first line, which begins with model, rank"),
        ("arena-diatomics", b"{", "this is no JSON"),
        ("arena-diatomics", b"[" * 100_000, "this is no JSON"),
        ("arena-diatomics", b"\x1f\x8b torn", "this is no JSON"),
        ("arena-diatomics", b'[{"name": "HH"}]', "this is no list of pairs with E, F, R, method, name each"),
        ("arena-diatomics", json.dumps([pair(), pair()]).encode(), "HH occurs twice"),
        ("arena-diatomics", json.dumps([pair(name="HO")]).encode(), "'HO' is no pair of equal elements"),
        ("arena-diatomics", json.dumps([pair(step=0.02)]).encode(), "distances of HH are not those of the protocol"),
        ("arena-diatomics", json.dumps([pair(F=[])]).encode(), "344 energies and 0 forces"),
        ("matbench", b"a,b\n1,2\n", "no column model_key"),
        ("matbench", b"\xff\xfe", "this is no table"),
        ("matbench", b"model_key," + b"x" * 200_000, "line 1 is none of a table (field larger"),
        ("matbench", MATBENCH.replace("CHGNet", "?").encode(), "a row does not name its model"),
        ("matbench", MATBENCH.replace(",3,", ",1e30,").encode(), "is '1e30', not a count"),
        ("matbench", MATBENCH.split("\n")[0].encode(), "the table has no rows"),
        ("matbench", MATBENCH.replace("0.05", "good").encode(), "MAE of mace-mpa-0 is 'good', not a number"),
        ("matbench", MATBENCH.replace(",3,", ",-3,").encode(), "missing_preds of mace-mpa-0 is '-3', not a count"),
        ("matbench", MATBENCH.replace(",,", ",").encode(), "line 3 has 9 values for 10 columns"),
        ("matbench", MATBENCH.replace("CHGNet", "MACE MPA 0").encode(), "two of its rows are of the same model"),
        ("sait-indicators", MATBENCH.encode(), "no column dataset"),
    ],
)  # fmt: skip
def test_files_that_do_not_fit_are_refused_whole(tmp_path, form, content, line):
    path = tmp_path / "file"
    path.write_bytes(content)
    _refused(tmp_path, path, form, line, "" if form in ("matbench", "sait-indicators") else "ours")


def test_a_wrong_name_is_told(tmp_path):
    path = parquet(tmp_path / "a.parquet", crystal_rows())
    _refused(tmp_path, path, "arena-ev", "which model is Ours(v2) of", "")
    _refused(tmp_path, tmp_path / "missing", "arena-ev", "cannot read")
    unknown = parquet(tmp_path / "b.parquet", [{**crystal_rows()[0], "id": "Unobtainium"}])
    bound = registry.get("energy-volume")
    only_quick = replace(bound, presets={name: bound.presets["quick"] for name in bound.presets})
    with pytest.MonkeyPatch.context() as patch:  # the larger preset would need its dataset
        patch.setattr(registry, "get", lambda name: only_quick)
        _refused(tmp_path, unknown, "arena-ev", "energy-volume has no case 'Unobtainium'")
    with pytest.raises(UnknownName, match="no import format 'arena-evv': did you mean 'arena-ev'"):
        import_published(path, "arena-evv", tmp_path / "results", "ours")


# -- numbers


def test_numbers_keep_their_counts_units_and_source(tmp_path):
    path = tmp_path / "metrics.csv"
    path.write_text(MATBENCH)
    import_published(path, "matbench", tmp_path / "r")
    found = {(one.model, one.benchmark, one.metric): one for one in published.rows(tmp_path / "r")}
    assert len(found) == 13
    mae = found["mace-mpa-0", "matbench-discovery", "full_test_set.MAE"]
    assert (mae.value, mae.unit, mae.n_cases, mae.n_missing) == (0.05, "eV/atom", 100, 3)
    assert found["mace-mpa-0", "matbench-phonons", "kappa_103.κ_SRME"].n_cases == 0
    assert ("chgnet", "matbench-phonons", "kappa_103.κ_SRME") not in found
    assert found["chgnet", "matbench-discovery", "full_test_set.F1"].source.startswith("Matbench Discovery, doi:")


def test_one_model_of_a_table(tmp_path):
    path = tmp_path / "metrics.csv"
    path.write_text(MATBENCH)
    import_published(path, "matbench", tmp_path / "r", "CHGNet")
    assert {one.model for one in published.rows(tmp_path / "r")} == {"chgnet"}
    with pytest.raises(UnknownName, match=r"no model of .* 'chgnt': did you mean 'chgnet'"):
        import_published(path, "matbench", tmp_path / "r", "chgnt")
    path.write_text(MATBENCH.replace("0.6", "0.7"))
    merged = import_published(path, "matbench", tmp_path / "r", "chgnet")
    assert (merged.n_published, merged.n_published_kept) == (6, 0)  # the source has published anew


def test_the_verbs_show_published_numbers_alone_and_beside_records(tmp_path):
    runner, folder = CliRunner(), str(tmp_path / "r")
    table = tmp_path / "sait.csv"
    table.write_text(SAIT)
    said = runner.invoke(app, ["import", str(table), "--format", "sait-indicators", "--results", folder])
    assert said.stdout == f"{folder}: 10 published numbers new, 0 there already\n"
    rows = json.loads(runner.invoke(app, ["analyse", folder, "--json"]).stdout)
    assert {(row["model"], row["benchmark"]) for row in rows} == {("dimenet++-mse", "sait-indicators-hfo")}
    values = {row["metric"]: (row["value"], row["unit"]) for row in rows}
    assert (values["B0_OOD"], values["RDF_OOD"]) == ((39.0, "%"), (None, ""))
    curves = parquet(tmp_path / "a.parquet", crystal_rows())
    words = ["import", str(curves), "--format", "arena-ev", "--model", "ours", "--results", folder]
    assert "3 records new" in runner.invoke(app, words).stdout
    found = runner.invoke(app, ["analyse", folder, "--mode", "arena", "--json"])
    assert {row["published"] for row in json.loads(found.stdout)} == {"MLIP Arena", "SAIT semiconductor benchmark"}
    assert "published: MLIP Arena, arXiv 2509.20630" in found.stderr


# -- the published files


def leaderboard(path: Path) -> dict[str, dict[str, str]]:
    with path.open(newline="") as file:
        return {row["model"]: row for row in csv.DictReader(file)}


@pytest.fixture
def arena(shared, monkeypatch):
    monkeypatch.setenv("FORCEGAUGE_MIRROR", str(shared / "mirror"))
    return shared / "data" / "arena_published"


@pytest.mark.shared_data
@pytest.mark.parametrize(("part", "form", "count"), [("ev", "arena-ev", 9), ("eos_bulk", "arena-eos", 2)])
def test_the_leaderboards_rows_are_met_to_a_millionth(tmp_path, arena, part, form, count):
    expected = leaderboard(arena / f"{part}_leaderboard.csv")
    for path in sorted((arena / part).glob("*[!d].parquet")):
        import_published(path, form, tmp_path / "r", path.stem)
    import_published(arena / f"{part}_leaderboard.csv", form, tmp_path / "r")
    (result,) = analyse(tmp_path / "r", "arena")
    assert len(result.models) == count
    names = {path: one[0].model.options["published_name"] for path, one in result.provenances.items()}
    compared = 0
    for value in result.values:
        row = expected[names[value.model]]
        if value.metric == "coverage":
            assert round(1000 * (1 - value.value)) == int(row["missing"])
            continue
        assert value.value == pytest.approx(float(row[value.metric.removeprefix("arena-")]), abs=1e-6)
        compared += 1
    assert compared == 5 * count
    table = {(one.model, one.metric): one for one in published.rows(tmp_path / "r")}
    assert len(table) == 5 * len(expected)


@pytest.mark.shared_data
@pytest.mark.parametrize("name", ["CHGNet_oddZ", "MACE-MP-M"])
def test_the_stored_metrics_of_diatomics_are_met_to_a_millionth(tmp_path, arena, name):
    path = arena / "diatomics" / f"{name}.json.gz"
    import_published(path, "arena-diatomics", tmp_path / "r", "published")
    stored = {row["name"]: row for row in json.loads(gzip.decompress(path.read_bytes()))}
    (result,) = analyse(tmp_path / "r", "arena")
    scores = result.analysis.scores["published"]
    assert len(scores) == len(stored)
    for symbol, own in scores.items():
        for key, value in own.items():
            expected = stored[2 * symbol][key]
            assert np.isnan(value) if expected is None else value == pytest.approx(expected, abs=1e-6, nan_ok=True)


@pytest.mark.shared_data
def test_the_reference_of_diatomics_is_refused(tmp_path, arena):
    path = arena / "diatomics" / "GPAW-PBE_reference.json.gz"
    _refused(tmp_path, path, "arena-diatomics", "HH has 17 distances, 17 energies and 0 forces")


@pytest.mark.shared_data
def test_every_published_table_comes_in(tmp_path, shared):
    import_published(shared / "data" / "matbench_published" / "metrics.csv", "matbench", tmp_path / "r")
    found = published.rows(tmp_path / "r")
    assert len({one.model for one in found}) == 60
    alignn = {one.metric: one for one in found if (one.model, one.benchmark) == ("alignn", "matbench-discovery")}
    one = alignn["full_test_set.F1"]
    assert (one.value, one.n_cases, one.n_missing) == (0.565, 256963, 1)
    for path in sorted((shared / "reference" / "sait_tables").glob("table_D[4-7]_*.csv")):
        import_published(path, "sait-indicators", tmp_path / "s")
    found = published.rows(tmp_path / "s")
    assert len(found) == 4 * 10 * 10
    lost = {(one.model, one.metric) for one in found if np.isnan(one.value)}
    assert ("allegro-mse", "RDF_OOD") in lost


@pytest.mark.shared_data
def test_imported_indicators_are_scored_as_published(tmp_path, shared):
    from forcegauge.scoring.imports import import_published
    from forcegauge.scoring.sait import indicator_boards

    folder = shared / "reference/sait_tables"
    for path in sorted(folder.glob("table_D?_indicators_*.csv")):
        import_published(path, "sait-indicators", tmp_path / "r")
    derived = list(csv.DictReader((folder / "derived_indicator_scores.csv").read_text().splitlines()))
    boards = indicator_boards(tmp_path / "r")
    rows = {(row["dataset"], row["model"]): row for board in boards for row in board.rows()}
    assert len(rows) == len(derived) == 40
    for wanted in derived:
        name = wanted["model"].lower().replace("++", "").replace("+", "")
        (row,) = [one for (dataset, model), one in rows.items()
                  if dataset == wanted["dataset"] and model.endswith(wanted["loss"].lower())
                  and model.startswith(name)]  # fmt: skip
        assert row["total"] == pytest.approx(float(wanted["total_sum"]), abs=2e-4)
    best = {board.dataset: board.rows()[0]["rank"] for board in boards}
    assert set(best.values()) == {1}
    assert boards[0].correlations.shape == (5, 5)
