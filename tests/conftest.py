"""What every test shares: a cache of its own, and skips that continuous integration does not forgive."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

# A shell that starts the tests in the background has Ctrl-C ignored, and every process below inherits that.
signal.signal(signal.SIGINT, signal.default_int_handler)

SHARED = Path(__file__).parents[1] / ".." / "shared"
REQUIRED = set(filter(None, os.environ.get("FORCEGAUGE_REQUIRE", "").split(",")))


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory, monkeypatch, request):
    """No test touches the user's cache, but those that need the real environments of models."""
    if not any(request.node.get_closest_marker(name) for name in ("real_model", "installed_model")):
        monkeypatch.setenv("FORCEGAUGE_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))


@pytest.fixture
def shared() -> Path:
    """The folder of published data beside the checkout."""
    if not SHARED.is_dir():
        pytest.skip("the published data is not beside the checkout")
    return SHARED.resolve()


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """Where a part is required, its absence is a failure, not a skip; but for environments too slow to build there."""
    result = yield
    report = result.get_result()
    missing = [name for name in REQUIRED if item.get_closest_marker(name) is not None]
    if report.skipped and missing and item.get_closest_marker("installed_model") is None:
        report.outcome = "failed"
        report.longrepr = f"{item.nodeid} was skipped although FORCEGAUGE_REQUIRE asks for {', '.join(missing)}"
