import importlib.util
import sys
from pathlib import Path

import pytest

from forcegauge.benchmarks import registry

TOOL = Path(__file__).parents[2] / "tools" / "make_docs.py"


@pytest.fixture(scope="module")
def make_docs():
    spec = importlib.util.spec_from_file_location("make_docs", TOOL)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def test_the_pages_are_current(make_docs):
    for path, text in make_docs.pages().items():
        assert path.read_text(encoding="utf-8") == text, f"{path.name} is stale: run python tools/make_docs.py"


@pytest.mark.parametrize("name", registry.names())
def test_a_page_names_every_metric_and_array(make_docs, name):
    benchmark = registry.get(name)
    text = make_docs.page(benchmark)
    wanted = [metric.key for metrics in benchmark.metrics.values() for metric in metrics] + list(benchmark.schema)
    assert all(f"`{key}`" in text or f"| {key} |" in text for key in wanted)
