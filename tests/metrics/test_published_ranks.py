"""The published rank sums, recomputed from the published numbers."""

import csv
from pathlib import Path

import numpy as np
import pytest

from forcegauge.metrics.indicators import INDICATORS, SPLITS, indicator_scores, indicator_sums, pearson_matrix
from forcegauge.metrics.published_ranks import overall_ranks, rank_sums
from forcegauge.metrics.ranking import ranks

SHARED = Path(__file__).parents[2] / "../shared"

TABLE_S1 = {  # arXiv 2509.20630; the six ranked metrics as printed, then the published sum
    "MACE-MPA": (0.077, -0.997, -0.975, 0.010, 1.371, 1.006, 13),
    "MACE-MP(M)": (0.070, -0.997, -0.980, 0.038, 1.449, 1.161, 15),
    "MatterSim": (0.013, -0.980, -0.972, 0.008, 2.766, 1.021, 20),
    "M3GNet": (0.026, -0.991, -0.947, 0.029, 3.528, 1.016, 24),
    "ORBv2": (9.751, -0.883, -0.988, 0.991, 0.991, 1.287, 30),
    "eSCN(OC20)": (2.045, -0.939, -0.984, 0.806, 0.640, 5.335, 32),
    "CHGNet": (1.066, -0.992, -0.925, 0.291, 2.255, 2.279, 35),
    "ORB": (10.220, -0.881, -0.954, 1.019, 1.026, 1.798, 39),
    "SevenNet": (34.005, -0.986, -0.928, 0.392, 2.112, 1.292, 41),
    "eqV2(OMat)": (15.477, -0.880, -0.976, 4.118, 3.126, 2.515, 51),
    "eSEN": (1.170, -0.692, -0.919, 5.562, 4.000, 1.838, 55),
    "ALIGNN": (5.164, -0.913, -0.310, 9.876, 30.669, 1.818, 59),
    "EquiformerV2(OC20)": (21.385, -0.680, -0.891, 38.282, 22.775, 8.669, 71),
    "EquiformerV2(OC22)": (27.687, -0.415, -0.855, 64.837, 21.674, 15.880, 75),
}
FLIPS = 4  # the column whose distance is from 1


def table_of(path):
    return list(csv.DictReader(path.read_text().splitlines()))


def columns_of_table_s1():
    values = np.array(list(TABLE_S1.values()))[:, :6]
    distances = values.copy()
    distances[:, FLIPS] = np.abs(values[:, FLIPS] - 1)
    return {str(at): (values[:, at], distances[:, at]) for at in range(6)}


def test_table_s1_as_published_by_argsort():
    """All but the two rows that tie at the printed digits."""
    sums = dict(zip(TABLE_S1, rank_sums(columns_of_table_s1(), "argsort").tolist(), strict=True))
    off = {model: (total, TABLE_S1[model][6]) for model, total in sums.items() if total != TABLE_S1[model][6]}
    assert off == {"MACE-MPA": (12, 13), "MACE-MP(M)": (16, 15)}


def test_table_s1_by_true_places():
    sums = dict(zip(TABLE_S1, (rank_sums(columns_of_table_s1()) - 5).tolist(), strict=True))  # its places start at 0
    assert [sums[model] for model in ("ORBv2", "eSCN(OC20)", "ORB")] == [28, 33, 40]
    assert [sums[model] for model in ("MatterSim", "CHGNet", "EquiformerV2(OC22)")] == [20, 35, 75]


@pytest.mark.shared_data
@pytest.mark.parametrize("name", ["ev_leaderboard.csv", "eos_bulk_leaderboard.csv"])
def test_published_leaderboards(name):
    path = SHARED / "data/arena_published" / name
    if not path.exists():
        pytest.skip("the published leaderboards are not here")
    rows = table_of(path)
    table = {key: np.array([float(row[key]) for row in rows]) for key in rows[0] if key != "model"}
    distances = {
        "energy-diff-flip-times": np.abs(table["energy-diff-flip-times"] - 1),
        "tortuosity": table["tortuosity"],
        "spearman-compression-energy": table["spearman-compression-energy"],
        "spearman-compression-derivative": -table["spearman-compression-derivative"],
        "spearman-tension-energy": -table["spearman-tension-energy"],
        "missing": table["missing"],
    }
    sums = rank_sums({key: (table[key], distance) for key, distance in distances.items()})
    assert sums.tolist() == table["rank-aggregation"].tolist()
    assert ranks(sums).tolist() == table["rank"].tolist()


def test_who_took_no_part_is_placed_after_the_last():
    sums, places = overall_ranks([[1, 2, np.nan], [2, 1, np.nan], [1, 2, 3]])
    assert sums.tolist() == [4, 5, 9]
    assert places.tolist() == [1, 2, 3]


def test_indicator_scores_end_at_their_thresholds():
    found = indicator_scores([0.39, 50.0, 93.0, np.nan, 25.195], "B0", "SiN")
    assert found == pytest.approx([1, 0, 0, 0, 0.5])


@pytest.fixture(scope="module")
def sait():
    folder = SHARED / "reference/sait_tables"
    if not folder.exists():
        pytest.skip("the published tables are not here")
    return folder


def published(folder, dataset, loss):
    (path,) = folder.glob(f"table_D?_indicators_{dataset}_{loss}.csv")
    return table_of(path)


@pytest.mark.shared_data
@pytest.mark.parametrize("dataset", ["SiN", "HfO"])
@pytest.mark.parametrize("loss", ["MAE", "MSE"])
def test_scores_and_correlations_of_the_published_tables(sait, dataset, loss):
    rows = published(sait, dataset, loss)
    scores = {}
    for name in INDICATORS:
        for split in SPLITS:
            column = f"{name}_{split}" + ("_pct" if name in ("V0", "B0") else "")
            values = [float(row[column]) if row[column] else np.nan for row in rows]
            scores[f"{name}_{split}"] = indicator_scores(values, name, dataset)
    derived = [
        row for row in table_of(sait / "derived_indicator_scores.csv")
        if (row["dataset"], row["loss"]) == (dataset, loss)
    ]  # fmt: skip
    assert [row["model"] for row in derived] == [row["model"] for row in rows]
    for name, found in scores.items():
        np.testing.assert_allclose(found, [float(row[f"score_{name}"]) for row in derived], atol=5.1e-5)
    sums = indicator_sums(scores)
    for name in ("static", "dynamic", "total"):
        np.testing.assert_allclose(sums[name], [float(row[f"{name}_sum"]) for row in derived], atol=1e-4)
    matrix = [
        [float(row[name]) for name in sums]
        for row in table_of(sait / "derived_pearson.csv")
        if (row["dataset"], row["loss"]) == (dataset, loss)
    ]
    np.testing.assert_allclose(pearson_matrix(sums), matrix, atol=5.1e-4)
