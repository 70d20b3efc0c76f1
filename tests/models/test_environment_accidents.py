"""Builds that are killed, fill the disk or talk nonsense end in a clean state and a clear line; uv does as pip does."""

import os
import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import psutil
import pytest

from forcegauge.errors import ModelUnavailable
from forcegauge.models import environments


def wheel(folder, files=(), name="tinything"):
    """A wheel small enough to build an environment from without any network."""
    path = folder / f"{name}-1.2.3-py3-none-any.whl"
    info = f"{name}-1.2.3.dist-info"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(f"{name}.py", "ANSWER = 42\n")
        for file, content in dict(files).items():
            archive.writestr(file, content)
        archive.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.2.3\n")
        archive.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nGenerator: t\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        archive.writestr(f"{info}/RECORD", "")
    return str(path)


@pytest.fixture
def pins(tmp_path, monkeypatch):
    """The requirements of an environment called tiny, in a cache of its own."""
    monkeypatch.setenv("FORCEGAUGE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("FORCEGAUGE_USE_UV", "0")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    listed = [wheel(tmp_path)]
    monkeypatch.setattr(environments, "_environments", lambda: {"tiny": {"requirements": listed}})
    return listed


SLOW_BACKEND = """
import os, pathlib, time
def get_requires_for_build_wheel(config_settings=None):
    pathlib.Path(os.environ["STARTED"]).write_text(str(os.getppid()))
    time.sleep(3)
    raise SystemExit("never built")
"""
BUILDER = """
import sys
from forcegauge.models import environments
environments._environments = lambda: {"tiny": {"requirements": sys.argv[1:]}}
environments.ensure("tiny")
"""


def test_killed_in_the_middle_of_pip(pins, tmp_path, monkeypatch, capfd):
    """The next build waits until the orphaned pip has let go of the folder, and starts from nothing."""
    project = tmp_path / "slow"
    project.mkdir()
    (project / "backend.py").write_text(SLOW_BACKEND)
    (project / "pyproject.toml").write_text(
        '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
    )
    started = tmp_path / "started"
    monkeypatch.setenv("STARTED", str(started))
    killed = subprocess.Popen([sys.executable, "-c", BUILDER, *pins, str(project)], stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 60
    while not started.exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    pip = int(started.read_text())
    os.kill(pip, 0)  # it goes on alone

    pins.append(str(project))
    folder = environments.folder_of("tiny")
    assert environments.find("tiny") is None
    assert [row.complete for row in environments.installed()] == [False]
    (folder / "half").write_text("what the killed build left")
    monkeypatch.setattr(environments, "_install", _fake_install)
    built = environments.ensure("tiny")
    assert not psutil.pid_exists(pip) or psutil.Process(pip).status() == psutil.STATUS_ZOMBIE
    assert "waiting for another process that builds environment tiny" in capfd.readouterr().err
    assert built.python.exists()
    assert not (folder / "half").exists()


def _fake_install(pins, folder, output, lock):
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)


def full_disk(folder: Path, size: str):
    """A file system of that size, or a skip where none may be mounted."""
    folder.mkdir()
    made = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", folder], capture_output=True)
    if made.returncode:
        pytest.skip("no file system can be mounted here")


@pytest.mark.parametrize("size", ["200k", "40m"])  # full within the venv, within pip
def test_a_full_disk(pins, tmp_path, monkeypatch, size):
    pins[:] = [wheel(tmp_path, {"tinything_data.bin": os.urandom(40_000_000)})]
    small = tmp_path / "small"
    full_disk(small, size)
    try:
        monkeypatch.setenv("FORCEGAUGE_CACHE", str(small))
        with pytest.raises(ModelUnavailable, match="no space left on the device of the cache") as caught:
            environments.ensure("tiny")
        assert "\n" not in str(caught.value)
        assert "FORCEGAUGE_CACHE" in str(caught.value)
        assert environments.installed() == []
    finally:
        subprocess.run(["umount", small], check=True)


def test_no_space_even_for_the_log(pins, monkeypatch):
    def full(*args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(environments, "_install", full)
    with pytest.raises(ModelUnavailable, match="no space left on the device of the cache") as caught:
        environments.ensure("tiny")
    assert "\n" not in str(caught.value)
    assert environments.installed() == []


def test_a_cache_without_locks(pins, monkeypatch):
    def refuse(*args):
        raise OSError(37, "No locks available")

    monkeypatch.setattr(environments.fcntl, "flock", refuse)
    with pytest.raises(ModelUnavailable, match="No locks available; set FORCEGAUGE_CACHE"):
        environments.ensure("tiny")


def test_a_full_disk_for_facts_is_no_failure(pins, monkeypatch):
    def refuse(*args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(environments, "write_whole", refuse)
    core = environments._core()
    environments.remember(core, "morse", {}, {})
    assert environments.recall(core, "morse", {}) is None


@pytest.mark.parametrize(
    ("words", "said"),
    [("print('hello', flush=True), os._exit(3)", "exit code 3, it said: hello"), ("os._exit(0),", "it said: nothing")],
)
def test_an_environment_that_talks_nonsense(pins, tmp_path, words, said):
    """It builds, and then its list of packages cannot be read."""
    line = f"import os, sys; 'lacking' in ' '.join(sys.orig_argv) and ({words})"
    pins[:] = [wheel(tmp_path, {"tinything.pth": line + "\n"})]
    with pytest.raises(ModelUnavailable, match="environment tiny does not build") as caught:
        environments.ensure("tiny")
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)
    assert environments.installed() == []


def test_an_environment_that_chatters_is_understood(pins, tmp_path):
    pins[:] = [wheel(tmp_path, {"tinything.pth": "import sys; print('licence found', end='')\n"})]
    assert environments.ensure("tiny").lock == {"tinything": "1.2.3"}


def fake(tmp_path, text):
    path = tmp_path / "python"
    path.write_text(text)
    path.chmod(0o755)
    return path


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "does not run as a Python interpreter: No such file or directory; give the path of one"),
        ("#!/no/such/python\n", "does not run as a Python interpreter: No such file or directory"),
        ("not a program\n", "does not run as a Python interpreter: Exec format error"),
        ("#!/bin/sh\nexit 7\n", "does not run as a Python interpreter: exit code 7, it said: nothing"),
        ("#!/bin/sh\necho '[1, 2]'\n", r"exit code 0, it said: \[1, 2\]"),
        (
            """#!/bin/sh\necho '{"python": "3.9.2", "packages": {}, "lacking": []}'\n""",
            "is Python 3.9.2; a worker needs 3.11",
        ),
    ],
)
def test_a_useless_interpreter(tmp_path, text, message):
    path = tmp_path / "python" if text is None else fake(tmp_path, text)
    with pytest.raises(ModelUnavailable, match=message) as caught:
        environments.interpreter(path)
    assert "\n" not in str(caught.value)


def test_an_interpreter_without_numpy(tmp_path):
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path / "bare"], check=True)
    python = tmp_path / "bare" / "bin" / "python"
    with pytest.raises(ModelUnavailable) as caught:
        environments.interpreter(python)
    assert str(caught.value) == (
        f"{python} lacks numpy, scipy, ase, which a worker needs: {python} -m pip install numpy scipy ase"
    )


def test_the_accelerator_is_part_of_the_key(pins, monkeypatch):
    folders = {}
    for name in ("cpu", "cuda-12", "cuda-13"):
        monkeypatch.setattr(environments, "accelerator", lambda name=name: name)
        folders[name] = environments.folder_of("tiny")
    assert len(set(folders.values())) == 3
    monkeypatch.undo()


def test_the_accelerator_can_be_named(monkeypatch):
    environments.accelerator.cache_clear()
    try:
        monkeypatch.setenv("FORCEGAUGE_ACCELERATOR", "cuda-12")
        assert environments.accelerator() == "cuda-12"
    finally:
        environments.accelerator.cache_clear()
    monkeypatch.delenv("FORCEGAUGE_ACCELERATOR")
    assert environments.accelerator() == "cpu" or environments.accelerator().startswith("cuda-")


UV = """\
#!{python}
import subprocess, sys
words = sys.argv[1:]
if words[0] == "venv":
    sys.exit(subprocess.run([words[2], "-m", "venv", words[3]]).returncode)
if {broken} and words[1] == "install":
    sys.exit("uv: no index was configured")
python = words[words.index("--python") + 1]
rest = [word for word in words[2:] if word not in ("--python", python)]
sys.exit(subprocess.run([python, "-m", "pip", words[1], *rest]).returncode)
"""


@pytest.mark.parametrize("broken", [False, True])
def test_uv_first_and_pip_where_it_fails(pins, tmp_path, monkeypatch, broken):
    tools = tmp_path / "tools"
    tools.mkdir()
    (tools / "uv").write_text(UV.format(python=sys.executable, broken=broken))
    (tools / "uv").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tools}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("FORCEGAUGE_USE_UV", "1")
    monkeypatch.setenv("UV_NO_INDEX", "1")  # it has its own sources, so none of pip's are named to it
    assert environments.ensure("tiny").lock == {"tinything": "1.2.3"}
    log = environments.folder_of("tiny").with_suffix(".log").read_text()
    assert f"$ {tools}/uv venv" in log
    assert ("uv failed; once more with pip" in log) is broken
    assert ("-m pip" in log) is broken


@pytest.mark.installed_model
def test_the_real_uv(pins, monkeypatch):
    """With a uv on the path (or named by FORCEGAUGE_TEST_UV) the environment is the same as by pip."""
    uv = os.environ.get("FORCEGAUGE_TEST_UV")
    if not uv:
        pytest.skip("FORCEGAUGE_TEST_UV names no uv")
    by_pip = environments.ensure("tiny")
    environments.remove("tiny")
    monkeypatch.setenv("PATH", f"{Path(uv).parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("FORCEGAUGE_USE_UV", "1")
    by_uv = environments.ensure("tiny")
    log = environments.folder_of("tiny").with_suffix(".log").read_text()
    assert "uv pip install" in log
    assert "uv failed" not in log
    assert by_uv == by_pip
    said = subprocess.run([by_uv.python, "-c", "import tinything; print(tinything.ANSWER)"], capture_output=True)
    assert said.stdout == b"42\n"
