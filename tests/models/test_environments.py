import json
import subprocess
import sys
import threading
import zipfile

import pytest

from forcegauge.errors import ModelUnavailable, UnknownName
from forcegauge.models import environments, registry
from forcegauge.models.verification import verify


def wheel(folder, name="tinything", requires=""):
    """A wheel small enough to build an environment from without any network."""
    path = folder / f"{name}-1.2.3-py3-none-any.whl"
    info = f"{name}-1.2.3.dist-info"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(f"{name}.py", "ANSWER = 42\n")
        archive.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.2.3\n{requires}")
        archive.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
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
    monkeypatch.setattr(
        environments, "_environments", lambda: {"core": {"requirements": []}, "tiny": {"requirements": listed}}
    )
    return listed


def test_built_once_locked_found_again_and_removed(pins, capfd):
    assert environments.find("tiny") is None
    built = environments.ensure("tiny")
    assert "building environment tiny" in capfd.readouterr().err
    assert built.lock == {"tinything": "1.2.3"}
    said = subprocess.run(
        [built.python, "-c", "import tinything; print(tinything.ANSWER)"], capture_output=True, text=True
    )
    assert said.stdout == "42\n"

    assert environments.ensure("tiny") == environments.find("tiny") == built
    assert "building" not in capfd.readouterr().err
    (row,) = environments.installed()
    assert (row.name, row.complete, row.folder) == ("tiny", True, built.folder)
    assert row.size_bytes > 10_000

    (built.folder / environments._MANIFEST).unlink()  # what an interrupted build leaves
    (built.folder / "rubbish").write_text("half")
    assert environments.find("tiny") is None
    assert [row.complete for row in environments.installed()] == [False]
    again = environments.ensure("tiny")
    assert again.lock_digest == built.lock_digest
    assert not (again.folder / "rubbish").exists()

    assert environments.remove("tiny") > 10_000
    assert environments.installed() == []
    assert environments.remove("tiny") == 0


def test_a_failing_build_leaves_nothing_but_its_log(pins):
    pins[:] = ["no-such-thing-at-all==1.0"]
    with pytest.raises(ModelUnavailable, match="No matching distribution found for no-such-thing-at-all") as caught:
        environments.ensure("tiny")
    log = environments.folder_of("tiny").with_suffix(".log")
    assert str(log) in str(caught.value)
    assert "pip" in log.read_text()
    assert environments.installed() == []


def test_pins_that_do_not_fit_together_fail_the_build(pins, tmp_path):
    pins[:] = [wheel(tmp_path, "clash", "Requires-Dist: tinything==9.9\n"), "--no-deps"]
    with pytest.raises(ModelUnavailable, match=r"clash 1\.2\.3 requires tinything"):
        environments.ensure("tiny")
    assert environments.installed() == []


def test_a_package_with_wrong_requirements_is_installed_alone(pins, tmp_path):
    pins.append(wheel(tmp_path, "clash", "Requires-Dist: tinything==9.9\n") + " --no-deps")
    assert environments.ensure("tiny").lock == {"clash": "1.2.3", "tinything": "1.2.3"}
    assert environments.ensure("tiny") == environments.find("tiny")


def test_an_interrupted_build_cleans_up_behind_itself(pins, monkeypatch):
    def interrupt(*args, **kwargs):
        environments.folder_of("tiny").mkdir(parents=True, exist_ok=True)
        raise KeyboardInterrupt

    monkeypatch.setattr(environments.subprocess, "run", interrupt)
    with pytest.raises(KeyboardInterrupt):
        environments.ensure("tiny")
    assert environments.installed() == []


def test_two_installs_at_once_wait_for_each_other(pins, monkeypatch, capfd):
    builds, entered, leave = [], threading.Event(), threading.Event()

    def build(name, pins, folder, lock):
        builds.append(name)
        entered.set()
        assert leave.wait(10)
        python = environments._interpreter(folder)
        python.parent.mkdir(parents=True)
        python.symlink_to(sys.executable)
        environments.write_whole(folder / environments._MANIFEST, json.dumps({"lock": {}, "lock_digest": "x"}))
        return environments._read(name, folder)

    monkeypatch.setattr(environments, "_build", build)
    first = threading.Thread(target=environments.ensure, args=("tiny",))
    first.start()
    assert entered.wait(10)
    second = threading.Thread(target=environments.ensure, args=("tiny",))
    second.start()
    second.join(0.2)
    assert second.is_alive()
    leave.set()
    first.join(10)
    second.join(10)
    assert builds == ["tiny"]
    assert capfd.readouterr().err.count("waiting for another process that builds environment tiny") == 1


def test_a_cache_that_cannot_be_written(pins, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("FORCEGAUGE_CACHE", str(tmp_path / "file"))
    with pytest.raises(ModelUnavailable, match="set FORCEGAUGE_CACHE"):
        environments.ensure("tiny")
    with pytest.raises(ModelUnavailable, match="set FORCEGAUGE_CACHE"):
        environments.source_copy()


def test_the_core_environment_is_this_interpreter(pins):
    core = environments.ensure("core")
    assert str(core.python) == sys.executable
    assert set(core.lock) == {"numpy", "scipy", "ase"}
    assert environments.ensure("core").lock_digest == core.lock_digest
    with pytest.raises(UnknownName, match="did you mean 'core'"):
        environments.ensure("cor")


def test_pins_decide_the_folder(pins, tmp_path):
    before = environments.folder_of("tiny")
    pins.append("more")
    assert environments.folder_of("tiny") != before


def test_the_source_copy_is_whole_and_needs_nothing_else(pins):
    folder = environments.source_copy()
    assert environments.source_copy() == folder
    assert sorted(path.name for path in folder.iterdir()) == ["forcegauge"]
    code = "import forcegauge.models.base as b, sys; print(b.__file__, 'platformdirs' in sys.modules)"
    said = subprocess.run(
        [sys.executable, "-I", "-c", f"import sys; sys.path.insert(0, {str(folder)!r}); {code}"],
        capture_output=True,
        text=True,
    )
    assert said.stdout.split() == [str(folder / "forcegauge/models/base.py"), "False"]


def test_facts_are_remembered_for_the_same_question_only(pins, monkeypatch):
    core, spec = environments.ensure("core"), registry.get("morse").spec()
    assert environments.recall(core, "morse", spec) is None
    answer = verify(registry.get("morse"), core)
    assert answer["call"]["failure"] is None
    asked = registry.get("morse").spec(device="cpu", threads=1)
    assert environments.recall(core, "morse", asked) == answer["facts"]
    assert environments.recall(core, "morse", {**asked, "threads": 2}) is None
    monkeypatch.setattr(environments, "source_digest", lambda: "another")
    assert environments.recall(core, "morse", asked) is None


def test_verify_tells_a_death_from_a_failure(pins):
    core = environments.ensure("core")
    silent = verify(registry.get("broken-silent"), core)
    assert silent["call"]["failure"]["kind"] == "not_implemented"
    crashing = registry.get("broken-crashing")
    deadly = type(crashing)(**{**crashing.as_dict(), "options": {"how": "crashing", "trigger": "In"}})
    with pytest.raises(ModelUnavailable, match="died in environment core"):
        verify(deadly, core)
    wrong = type(crashing)(**{**crashing.as_dict(), "options": {"how": "crashin"}})
    with pytest.raises(ModelUnavailable, match="did you mean 'crashing'"):
        verify(wrong, core)
