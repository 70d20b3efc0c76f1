"""Checkpoints from files: where they come from, how they are called, and what is refused before it is opened."""

import hashlib
import json
from dataclasses import replace

import pytest
from typer.testing import CliRunner

from forcegauge.cli.main import app
from forcegauge.errors import BadInput, ChecksumMismatch, DataUnavailable, ModelUnavailable
from forcegauge.models import registry, weights
from forcegauge.models.base import load, weights_sha256
from forcegauge.models.verification import status

BYTES = b"numbers, at random"
RIGHT = hashlib.sha256(BYTES).hexdigest()


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("FORCEGAUGE_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("FORCEGAUGE_MIRROR", raising=False)
    return tmp_path / "cache"


@pytest.fixture
def mirror(tmp_path, monkeypatch):
    monkeypatch.setenv("FORCEGAUGE_MIRROR", str(tmp_path / "mirror"))
    (tmp_path / "mirror").mkdir()

    def serve(url, content=BYTES):
        path = tmp_path / "mirror" / url.removeprefix("https://")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        return path

    return serve


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "fine-tuned.model"
    path.write_bytes(BYTES)
    return path


def test_a_checkpoint_of_ones_own_is_named_after_its_file_or_as_one_likes(file):
    entry = registry.get(f"mace:{file}")
    assert (entry.name, entry.environment, entry.adapter) == ("mace-fine-tuned", "mace", "mace")
    assert entry.options == {}
    assert registry.get(f"better=mace:{file}").name == "better"
    shaped = registry.get(f"mine=orb-v2:{file}")
    assert (shaped.name, shaped.options, shaped.theory) == ("mine", {"architecture": "orb-v2"}, "")
    one = registry.get(f"mace@omat:{file}")
    assert (one.name, one.options) == ("mace-omat-fine-tuned", {"head": "omat"})
    assert registry.get(f"mine=mace-mp-0-medium@omat:{file}").options == {"dtype": "float32", "head": "omat"}
    published = registry.get(f"orb-v2:{file}")
    assert (published.name, published.theory) == ("orb-v2", "PBE and PBE+U")


def test_its_hash_is_its_identity_and_may_change(file):
    text = f"mine=mace:{file}"
    first = weights.provided(registry.get(text))
    assert first.sha256 == RIGHT
    assert first.spec()["file"] == str(file)
    file.write_bytes(b"trained further")
    assert weights.provided(registry.get(text)).sha256 == hashlib.sha256(b"trained further").hexdigest()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("mace", "mace is a family of models: give your checkpoint as mace:/path/to/file"),
        ("mace:", "give a file after the colon"),
        ("chgnet=mace:/x", "chgnet is a registered model; give your checkpoint another name"),
        ("lennard-jones:/x", "lennard-jones takes no file; families that do: "),
        ("orb@pbe:/x", "checkpoints of orb have no heads (of mace and deepmd some do); leave @pbe out"),
        ("macce:/x", "no model or family that reads a file 'macce': did you mean 'mace'"),
    ],
)
def test_what_cannot_be_a_checkpoint(text, message):
    with pytest.raises(BadInput) as caught:
        registry.get(text)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(BadInput, match=r"mace-absent: there is no file .*absent; give mace:/path/to/file"):
        weights.provided(registry.get(f"mace:{tmp_path}/absent"))


def test_weights_are_fetched_once(mirror, cache):
    served = mirror(registry.get("mace-mp-0-medium").url)
    entry = weights.provided(registry.get("mace-mp-0-medium"))
    assert entry.sha256 == RIGHT
    assert entry.file == str(cache / "weights" / "mace-mp-0-medium" / served.name)
    served.unlink()
    assert weights.provided(registry.get("mace-mp-0-medium")) == entry


def test_a_folder_of_files_is_fetched_whole(mirror, cache):
    card = registry.get("tensornet-matpes-pbe")
    for name in card.files:
        mirror(f"{card.url}/{name}", name.encode())
    entry = weights.provided(card)
    assert sorted(path.name for path in (cache / "weights" / card.name).iterdir()) == sorted(card.files)
    (cache / "weights" / card.name / "state.pt").write_bytes(b"other")
    with pytest.raises(ModelUnavailable, match=f"first use recorded .* {entry.sha256}"):
        weights.provided(card)


def test_the_hash_of_the_first_use_is_enforced(mirror, file, cache):
    mirror(registry.get("mace-mp-0-medium").url)
    first = weights.provided(registry.get("mace-mp-0-medium"))
    file.write_bytes(b"something else")
    with pytest.raises(ModelUnavailable, match=r"first use recorded .* it was not opened") as caught:
        weights.provided(registry.get(f"mace-mp-0-medium:{file}"))
    assert first.sha256 in str(caught.value)
    assert "\n" not in str(caught.value)
    (cache / "weights" / "mace-mp-0-medium.sha256").unlink()
    assert weights.provided(registry.get(f"mace-mp-0-medium:{file}")).sha256 != first.sha256


def test_a_hash_on_the_card_is_enforced_on_what_comes_and_on_what_is_given(mirror, file):
    card = replace(registry.get("mace-mp-0-medium"), sha256="0" * 64)
    mirror(card.url)
    with pytest.raises(ChecksumMismatch, match="nothing was kept"):
        weights.provided(card)
    with pytest.raises(ModelUnavailable, match=f"has SHA-256 {RIGHT}, the card says 000000"):
        weights.provided(replace(card, file=str(file)))


def test_a_changed_file_is_not_opened_by_the_worker_either(file):
    spec = weights.provided(registry.get(f"mace:{file}")).spec()
    file.write_bytes(b"changed after the run began")
    with pytest.raises(ModelUnavailable, match="belongs; it was not opened"):
        load(spec)


def test_without_network_one_line_names_the_file_where_it_is_and_how_to_give_it(tmp_path):
    arguments = ["--models", "mace-mp-0-medium", "--suite", "smoke", "--results", str(tmp_path / "results")]
    with pytest.raises(DataUnavailable) as caught:
        CliRunner().invoke(app, ["run", *arguments], catch_exceptions=False)
    message = str(caught.value)
    assert "\n" not in message
    parts = ("2023-12-03-mace-128-L1_epoch-199.model", "FORCEGAUGE_MIRROR", "--models mace-mp-0-medium:/path/to/file")
    assert all(part in message for part in parts)
    assert not (tmp_path / "results").exists()


def test_weights_without_a_fixed_address_are_asked_for():
    with pytest.raises(ModelUnavailable, match=r"nequip\.net.*--models nequip-oam-l:/path/to/file"):
        weights.provided(registry.get("nequip-oam-l"))


def test_the_hash_of_a_folder_knows_names_and_contents(tmp_path):
    hashes = set()
    for name, content in (("a", b"1"), ("b", b"1"), ("a", b"2")):
        folder = tmp_path / f"{name}-{content.decode()}"
        folder.mkdir()
        (folder / name).write_bytes(content)
        hashes.add(weights_sha256(folder))
    assert len(hashes) == 3


def test_the_list_says_what_is_known_of_each():
    def statuses():
        rows = json.loads(CliRunner().invoke(app, ["models", "list", "--json"]).stdout)
        return {row["model"]: row["status"] for row in rows}

    assert (statuses()["mace-mp-0-medium"], statuses()["morse"]) == ("declared only", "loads")
    assert CliRunner().invoke(app, ["models", "install", "morse"]).exit_code == 0
    assert statuses()["morse"] == "verified here"
    assert status(registry.get("zbl")) == "loads"
