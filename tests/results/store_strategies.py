"""Hypothesis strategies for records: every type, shape and value that a benchmark may bring home."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from store_samples import case

from forcegauge.errors import FAILURE_KINDS, Failure
from forcegauge.records import Raw

_text = st.text(st.characters(codec="utf-8"), max_size=20)
_dtypes = st.one_of(
    hnp.boolean_dtypes(),
    hnp.integer_dtypes(endianness="<"),
    hnp.unsigned_integer_dtypes(endianness="<"),
    hnp.floating_dtypes(endianness="<"),  # half to long double
    hnp.complex_number_dtypes(endianness="<"),
    hnp.unicode_string_dtypes(endianness="<", min_len=1, max_len=4),
)
arrays = hnp.arrays(_dtypes, hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4))

raws = st.builds(Raw, st.dictionaries(_text, arrays, max_size=4))
failures = st.builds(Failure, st.sampled_from(FAILURE_KINDS), _text, _text)
outcomes = st.one_of(raws, failures)

_plain = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), _text, arrays)
_nested = st.recursive(_plain, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_text, inner, max_size=3))
cases = st.builds(
    case,
    case_id=st.text(st.characters(codec="utf-8"), min_size=1, max_size=10),
    inputs=st.dictionaries(_text, _nested, max_size=3),
)

QUIET_NAN = np.array([0x7FF8000000000001, 0xFFF8000000000123], dtype="<u8").view("<f8")
"""Two NaNs with different bits."""
