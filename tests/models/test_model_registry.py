from importlib.metadata import EntryPoint, EntryPoints

import pytest

from forcegauge.encoding import pack
from forcegauge.errors import UnknownName
from forcegauge.models import environments, registry
from forcegauge.models.base import load

HERE = [name for name in registry.names(hidden=True) if registry.get(name).environment == environments.CORE]


def test_broken_models_are_hidden_unless_asked_for():
    assert registry.names()[:2] == ["chgnet", "sevennet-0"]
    assert not any(name.startswith("broken") for name in registry.names())
    assert sum(name.startswith("broken") for name in registry.names(hidden=True)) == 11


@pytest.mark.parametrize("name", registry.names(hidden=True))
def test_every_card_is_complete(name):
    entry = registry.get(name)
    assert entry.title
    assert environments.requirements(entry.environment) is not None
    if entry.sha256:
        assert len(entry.sha256) == 64
        cards = (entry.licence_code, entry.licence_weights, entry.training_data, entry.theory, entry.paper)
        assert all(cards)
        assert entry.energy_reference in ("raw DFT", "MP2020-corrected")
    pack(entry.spec(device="cpu", threads=2))  # it must be able to travel


@pytest.mark.parametrize("name", HERE)
def test_cards_say_what_the_models_say(name):
    entry = registry.get(name)
    found = load(entry.spec(device="cpu", threads=1)).capabilities
    assert tuple(found.properties) == entry.properties
    assert (found.dtype, found.needs_cell) == (entry.dtype, entry.needs_cell)
    assert entry.conservative is None or found.is_conservative == entry.conservative
    count = entry.elements.partition(":")[0]
    assert not count or len(found.elements) == int(count)


def test_options_of_a_user_come_over_those_of_the_card():
    spec = registry.get("broken-hanging").spec(options={"trigger": "Kr"})
    assert spec["options"] == {"how": "hanging", "trigger": "Kr"}


def test_unknown_model_offers_the_nearest():
    with pytest.raises(UnknownName, match=r"did you mean 'chgnet' or .*\? \(`forcegauge models list`\)"):
        registry.get("CHGnets")
    with pytest.raises(UnknownName, match="broken-memory"):
        registry.get("broken-memry")


def test_another_package_may_add_a_model_but_not_replace_one(monkeypatch):
    group = registry.ENTRY_POINTS
    points = EntryPoints(
        [EntryPoint("mine", "my_package.potentials:make", group), EntryPoint("chgnet", "evil:make", group)]
    )
    monkeypatch.setattr(registry, "entry_points", lambda group: points.select(group=group))
    registry._entries.cache_clear()
    try:
        assert registry.get("mine").spec()["factory"] == "my_package.potentials:make"
        assert registry.get("chgnet").adapter == "chgnet"
        assert "mine" in registry.names()
    finally:
        registry._entries.cache_clear()
