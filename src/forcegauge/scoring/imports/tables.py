"""Tables of numbers without cases: Matbench Discovery's metrics, the indicators of the SAIT benchmark."""

from __future__ import annotations

import math
from collections.abc import Mapping
from itertools import product

from forcegauge.records import PublishedMetric
from forcegauge.scoring.imports.content import File, count, metric, model_name, number, read_table

MATBENCH = "Matbench Discovery, doi:10.1038/s42256-025-01055-1, https://github.com/janosh/matbench-discovery (MIT)"
SAIT = "SAIT semiconductor benchmark, NeurIPS 2023, https://github.com/SAITPublic/MLFF-Framework, tables D.4 to D.7"

_CONFUSION = ("TP", "FP", "TN", "FN")
_COUNTS = ("missing_preds", "n_structures", "n_systems")
_MATBENCH_UNITS = {"MAE": "eV/atom", "RMSE": "eV/atom"}  # of the discovery metrics; the others are not stated
_INDICATORS = {"EF": "meV/atom + meV/Å", "RDF": "", "ADF": "", "V0": "%", "B0": "%"}


def read_matbench(file: File) -> list[PublishedMetric]:
    """One row per model, one column per metric, such as ``discovery.full_test_set.F1``; an empty cell is no number.

    The first part of a column names the task (benchmark ``matbench-discovery``), the rest the metric.
    """
    rows = read_table(file, ("model_key", "discovery.full_test_set.F1"))
    columns = [name for name in rows[0] if "." in name and name.rsplit(".", 1)[1] not in _COUNTS]
    found: list[PublishedMetric] = []
    for row in rows:
        who = row["model_key"]
        for column in columns:
            value = number(file, row, column, who)
            if math.isnan(value):
                continue
            task, _, name = column.partition(".")
            group = column.rpartition(".")[0]
            found.append(
                metric(
                    file,
                    MATBENCH,
                    model=model_name(who),
                    benchmark=f"matbench-{task.replace('_', '-')}",
                    metric=name,
                    value=value,
                    unit=_MATBENCH_UNITS.get(name.rpartition(".")[2], "") if task == "discovery" else "",
                    n_cases=_n_cases(file, row, group, who),
                    n_missing=count(file, row, f"{group}.missing_preds", who) if f"{group}.missing_preds" in row else 0,
                )
            )
    return found


def _n_cases(file: File, row: Mapping[str, str], group: str, who: str) -> int:
    """What the counts of the same group say; predictions that are missing count as predicted unstable there."""
    if all(f"{group}.{name}" in row for name in _CONFUSION):
        return sum(count(file, row, f"{group}.{name}", who) for name in _CONFUSION)
    known = [f"{group}.{name}" for name in ("n_structures", "n_systems") if f"{group}.{name}" in row]
    return count(file, row, known[0], who) if known else 0


def read_sait(file: File) -> list[PublishedMetric]:
    """Five indicators, in and out of distribution, of the models of one data set and loss; NaN where there is none.

    A model trained with another loss is another model, such as ``schnet-mse``; the benchmark names the data set, such
    as ``sait-indicators-hfo``.
    """
    columns = {
        f"{name}_{where}{'_pct' if unit == '%' else ''}": (f"{name}_{where}", unit)
        for (name, unit), where in product(_INDICATORS.items(), ("ID", "OOD"))
    }
    found: list[PublishedMetric] = []
    for row in read_table(file, ("dataset", "loss", "model", *columns)):
        who = row["model"]
        found += [
            metric(
                file,
                SAIT,
                model=model_name(f"{who}-{row['loss']}"),
                benchmark=f"sait-indicators-{model_name(row['dataset'])}",
                metric=name,
                value=number(file, row, column, who),
                unit=unit,
            )
            for column, (name, unit) in columns.items()
        ]
    return found
