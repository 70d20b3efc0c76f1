"""The published curves give the published numbers, through the same analysis as everybody's."""

import importlib.util
import sys
from pathlib import Path

import pytest

TOOL = Path(__file__).parents[2] / "tools" / "check_published.py"


@pytest.fixture(scope="module")
def check_published():
    spec = importlib.util.spec_from_file_location("check_published", TOOL)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.mark.shared_data
def test_all_stored_metrics_are_met_to_a_millionth(shared, check_published):
    found = {result.table: result for result in check_published.compare(shared / "data" / "arena_published")}
    assert {table.split("/")[0] for table in found} == {"ev", "eos_bulk", "diatomics"}
    assert [sum(table.startswith(part) for table in found) for part in ("ev/", "eos_bulk/", "diatomics/")] == [9, 2, 2]
    assert all(result.worst <= check_published.TOLERANCE for result in found.values()), found
    assert [found[table].n_cases for table in sorted(found) if table.startswith("diatomics/")] == [47, 89]


def test_a_value_on_one_side_only_is_a_difference(check_published):
    assert check_published._difference(1.0, None) == float("inf")
    assert check_published._difference(float("nan"), 1.0) == float("inf")
    assert check_published._difference(float("nan"), None) == 0.0
