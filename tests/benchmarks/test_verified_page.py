import importlib.util
import re
import sys
from pathlib import Path

import pytest

from forcegauge.benchmarks.symmetry.conformance import BENCHMARK
from forcegauge.errors import ForceGaugeError
from forcegauge.models import registry
from forcegauge.runner.progress import Silent
from forcegauge.runner.run import RunOptions, run

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def make_verified():
    spec = importlib.util.spec_from_file_location("make_verified", ROOT / "tools" / "make_verified.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def verified(folder, model, **options):
    run(RunOptions(results=folder, models=[model], benchmarks=["conformance"], preset="quick", **options), Silent())
    return folder


def test_a_page_from_the_records_of_a_broken_model(make_verified, tmp_path):
    sheet = make_verified.read(verified(tmp_path / "one", "broken-discontinuous"))
    text = make_verified.page([sheet])
    assert "| `broken-discontinuous` | **notable** |" in text
    assert (
        "| `broken-discontinuous` | energy-jump | notable | 0.5 eV | no gradient of the energy; the card says so |"
        in text
    )
    assert "Undecided: the card names no zero of energy: `broken-discontinuous`." in text


def test_half_a_verification_is_refused(make_verified, tmp_path):
    with pytest.raises(ForceGaugeError, match="2 cases"):
        make_verified.read(verified(tmp_path / "one", "emt", cases=["forces", "stress"]))


def test_the_page_is_of_this_version_and_names_models_that_there_are():
    text = (ROOT / "docs" / "verified-models.md").read_text(encoding="utf-8")
    assert f"preset `quick`, version {BENCHMARK.run_version}," in " ".join(text.split())
    for name in re.findall(r"^\| `([^`]+)` \|", text, re.MULTILINE):
        assert registry.get(name).name == name
