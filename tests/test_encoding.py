"""Packed values come back as they went, and equal values have equal bytes."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from forcegauge.encoding import digest, pack, unpack

plain = st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False) | st.text()
arrays = hnp.arrays(
    st.sampled_from([np.float64, np.float32, np.int64, np.int8, np.bool_]), hnp.array_shapes(min_dims=0, min_side=0)
)
values = st.recursive(
    plain | arrays, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4)
)


def same(one, other) -> bool:
    if isinstance(one, np.ndarray):
        return (
            one.dtype == other.dtype
            and one.shape == other.shape
            and np.array_equal(one, other, equal_nan=one.dtype.kind == "f")
        )
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list):
        return len(one) == len(other) and all(map(same, one, other))
    return type(one) is type(other) and one == other


@given(values)
def test_round_trip(value):
    assert same(unpack(pack(value)), value)


def test_nan_and_infinities_survive():
    back = unpack(pack({"nan": math.nan, "inf": -math.inf, "array": np.array([math.nan, math.inf])}))
    assert math.isnan(back["nan"])
    assert back["inf"] == -math.inf
    np.testing.assert_array_equal(back["array"], [math.nan, math.inf])


def test_order_of_keys_and_byte_order_do_not_matter():
    assert digest({"a": 1, "b": 2}) == digest({"b": 2, "a": 1})
    assert pack(np.arange(3, dtype=">f8")) == pack(np.arange(3, dtype="<f8"))
    assert pack(np.arange(6).reshape(2, 3).T) == pack(np.arange(6).reshape(2, 3).T.copy())


def test_everything_matters_to_the_digest():
    base = np.arange(6.0)
    digests = {digest(base), digest(base.reshape(2, 3)), digest(base.astype(np.float32)), digest(base + 1e-12)}
    assert len(digests) == 4
    assert digest(1) != digest("1")
    assert digest([1, 2]) != digest([2, 1])


def test_arrays_start_at_multiples_of_eight():
    back = unpack(pack({"odd": np.arange(3, dtype=np.int8), "even": np.arange(3.0), "text": "ÅÅÅ"}))
    assert back["even"].flags.aligned
    assert not back["even"].flags.writeable


@pytest.mark.parametrize("wrong", [object(), np.array([object()]), {1: 2}, {1, 2}, 1j])
def test_nothing_else_is_packed(wrong):
    with pytest.raises(TypeError, match="cannot encode"):
        pack(wrong)


def test_numpy_scalars_become_numbers():
    assert unpack(pack([np.float64(1.5), np.int64(3), np.bool_(True)])) == [1.5, 3, True]
