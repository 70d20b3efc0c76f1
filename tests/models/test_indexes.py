"""uv is told pip's sources, unless it was told its own."""

import sys

import pytest

from forcegauge.models.indexes import uv_arguments

BEST = ["--index-strategy", "unsafe-best-match"]


@pytest.fixture
def configured(tmp_path, monkeypatch):
    """Write pip's configuration and environment; nothing of this machine's own is left."""

    def write(lines, **variables):
        for name in ("INDEX_URL", "EXTRA_INDEX_URL", "FIND_LINKS", "TRUSTED_HOST", "NO_INDEX"):
            monkeypatch.delenv(f"PIP_{name}", raising=False)
        for name in ("UV_INDEX", "UV_DEFAULT_INDEX", "UV_INDEX_URL", "UV_EXTRA_INDEX_URL", "UV_FIND_LINKS"):
            monkeypatch.delenv(name, raising=False)
        file = tmp_path / "pip.conf"
        file.write_text("\n".join(["[global]", *lines]))
        # Of all configuration files pip believes this one most; the machine's may still add what it lacks.
        monkeypatch.setenv("PIP_CONFIG_FILE", str(file))
        for name, value in variables.items():
            monkeypatch.setenv(name, value)

    return write


@pytest.mark.parametrize(
    ("lines", "variables", "expected"),
    [
        (["index-url = https://one/simple"], {}, ["--default-index", "https://one/simple", *BEST]),
        (["find-links = /a /b"], {}, ["--find-links", "/a", "--find-links", "/b", *BEST]),
        (["find-links = /a"], {"PIP_FIND_LINKS": "/c"}, ["--find-links", "/c", *BEST]),
        (["find-links = /a"], {"UV_FIND_LINKS": "/d"}, []),
        (["no-index = true", "find-links = /a"], {}, ["--find-links", "/a", "--no-index", *BEST]),
    ],
)
def test_uv_looks_where_pip_looks(configured, lines, variables, expected):
    places = [f"{name} =" for name in ("index-url", "extra-index-url", "find-links", "trusted-host")]
    emptied = [place for place in places if not any(line.startswith(place) for line in lines)]
    configured([*lines, *emptied], **variables)
    assert uv_arguments(sys.executable) == expected


def test_without_pip_nothing_is_said(tmp_path):
    lacking = tmp_path / "python"
    lacking.write_text("#!/bin/sh\nexit 1\n")
    lacking.chmod(0o755)
    assert uv_arguments(str(lacking)) == []
