import pytest

from forcegauge.errors import BadInput, UnknownName
from forcegauge.models import registry


def test_the_suffix_takes_the_functional_of_the_card_into_the_options():
    entry, plain = registry.get("chgnet+d3"), registry.get("chgnet")
    assert entry.name == "chgnet+d3"
    assert entry.options == {**plain.options, "d3": "pbe"}
    assert registry.get("sevennet-mf-0-r2scan+d3").options["d3"] == "r2scan"
    assert (entry.sha256, entry.environment) == (plain.sha256, plain.environment)
    assert entry.theory == "PBE and PBE+U with D3(BJ)"


@pytest.mark.parametrize("name", ["so3lr+d3", "gfn2-xtb+d3", "chgnet+d3+d3"])
def test_dispersion_is_not_added_twice(name):
    with pytest.raises(BadInput, match=r"dispersion is not added, since .* has it already"):
        registry.get(name)


def test_dispersion_is_not_guessed():
    with pytest.raises(BadInput, match=r"no D3 functional is known for lennard-jones; models that take it: chgnet, "):
        registry.get("lennard-jones+d3")
    with pytest.raises(UnknownName):
        registry.get("chgnoot+d3")


@pytest.mark.parametrize("name", registry.names())
def test_every_card_that_names_a_functional_takes_the_suffix(name):
    if registry.get(name).d3 not in ("", "included"):
        assert registry.get(f"{name}+d3").options["d3"] == registry.get(name).d3
