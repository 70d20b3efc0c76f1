import hashlib
from dataclasses import replace

import pytest

from forcegauge.datasets import fetch
from forcegauge.datasets.base import Card, Source
from forcegauge.errors import BadInput, ChecksumMismatch, DataUnavailable

BYTES = b"crystals " * 1000
SOURCE = Source("https://data.invalid/some/where/file.db", hashlib.sha256(BYTES).hexdigest(), len(BYTES))
CARD = Card("sample", "Sample", "", "CC0", "", "none", {}, 0, (SOURCE,))


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("FORCEGAUGE_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("FORCEGAUGE_MIRROR", raising=False)
    return tmp_path / "cache"


@pytest.fixture
def mirror(tmp_path, monkeypatch):
    file = tmp_path / "mirror" / "data.invalid" / "some" / "where" / "file.db"
    file.parent.mkdir(parents=True)
    file.write_bytes(BYTES)
    monkeypatch.setenv("FORCEGAUGE_MIRROR", str(tmp_path / "mirror"))
    return file


def files_below(folder):
    return sorted(path for path in folder.rglob("*") if path.is_file())


def test_a_mirror_serves_host_and_path(mirror, cache):
    (path,) = fetch.fetch(CARD)
    assert path == cache / "datasets" / "sample" / "file.db"
    assert path.read_bytes() == BYTES
    assert files_below(cache) == [path]


def test_what_is_in_the_cache_is_not_fetched_again(mirror):
    (path,) = fetch.fetch(CARD)
    mirror.unlink()
    assert fetch.fetch(CARD) == [path]


def test_a_damaged_file_in_the_cache_is_replaced(mirror):
    (path,) = fetch.fetch(CARD)
    path.write_bytes(BYTES[:-1])
    assert fetch.state(path, SOURCE) == "damaged"
    fetch.fetch(CARD)
    assert path.read_bytes() == BYTES


def test_wrong_bytes_are_refused_and_nothing_is_kept(mirror, cache):
    mirror.write_bytes(b"something else")
    with pytest.raises(ChecksumMismatch) as caught:
        fetch.fetch(CARD)
    message = str(caught.value)
    assert "\n" not in message
    found = hashlib.sha256(b"something else").hexdigest()
    assert all(part in message for part in (found, SOURCE.sha256, str(mirror), "nothing was kept"))
    assert files_below(cache) == []


def test_wrong_bytes_do_not_replace_what_was_there(mirror, cache):
    (path,) = fetch.fetch(CARD)
    path.write_bytes(b"damaged")
    mirror.write_bytes(b"something else")
    with pytest.raises(ChecksumMismatch):
        fetch.fetch(CARD)
    assert files_below(cache) == [path]


def test_without_network_and_mirror_one_line_says_what_to_do(cache):
    with pytest.raises(DataUnavailable, match=r"no mirror .* does not answer .* FORCEGAUGE_MIRROR") as caught:
        fetch.fetch(CARD)
    assert "\n" not in str(caught.value)
    assert files_below(cache) == []


def test_a_mirror_without_the_file_is_named(mirror):
    mirror.unlink()
    with pytest.raises(DataUnavailable, match=r"not in the mirror \(.*data\.invalid/some/where/file\.db\)"):
        fetch.fetch(CARD)


def test_a_mirror_that_is_no_folder_is_bad_input(monkeypatch, tmp_path):
    monkeypatch.setenv("FORCEGAUGE_MIRROR", str(tmp_path / "absent"))
    with pytest.raises(BadInput, match="which is no folder"):
        fetch.fetch(CARD)


def test_a_cache_that_cannot_be_written_is_named(mirror, cache):
    cache.parent.mkdir(exist_ok=True)
    cache.write_text("a file where the folder should be")
    with pytest.raises(DataUnavailable, match="set FORCEGAUGE_CACHE"):
        fetch.fetch(CARD)


def test_a_file_over_http_arrives(cache, tmp_path):
    """The network path itself, against a server of our own."""
    import threading
    from functools import partial
    from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

    (tmp_path / "served").mkdir()
    (tmp_path / "served" / "file.db").write_bytes(BYTES)

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *arguments):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(tmp_path / "served"))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        here = replace(SOURCE, url=f"http://127.0.0.1:{server.server_port}/file.db")
        (path,) = fetch.fetch(replace(CARD, sources=(here,)))
        absent = replace(here, url=here.url + "x")
        with pytest.raises(DataUnavailable, match=r"does not answer \(File not found\)"):
            fetch.fetch(replace(CARD, sources=(absent,)))
        server.shutdown()
    assert path.read_bytes() == BYTES


def test_the_cache_follows_its_variable_or_the_platform(monkeypatch, tmp_path):
    from forcegauge.folders import cache_folder

    assert cache_folder() == tmp_path / "cache"
    monkeypatch.setenv("FORCEGAUGE_CACHE", "~/somewhere")
    assert cache_folder() == tmp_path.home() / "somewhere"
    monkeypatch.delenv("FORCEGAUGE_CACHE")
    assert cache_folder().name == "forcegauge"
    assert cache_folder().is_absolute()
