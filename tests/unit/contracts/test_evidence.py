"""Canonical bytes: the same for the same content, whatever its order, and read back to it, infinities too."""

from __future__ import annotations

import math
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dissonance.contracts.evidence import canonical, from_canonical, is_canonical

SCALARS = st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False) | st.text()
VALUES = st.recursive(SCALARS, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=20)


@given(st.dictionaries(st.text(), VALUES))
def test_order_of_members_says_nothing_and_canonical_bytes_are_canonical(value: dict[str, Any]) -> None:
    body = canonical(value)
    assert canonical(dict(reversed(value.items()))) == body
    assert is_canonical(body)
    assert canonical(msgspec.json.decode(body)) == body


@given(st.dictionaries(st.text(), st.floats()))
def test_every_number_is_read_back_to_what_it_was(value: dict[str, float]) -> None:
    read = from_canonical(canonical(value), dict[str, float])
    assert read.keys() == value.keys()
    assert all(
        read[name] == number or (math.isnan(read[name]) and math.isnan(number)) for name, number in value.items()
    )


@pytest.mark.parametrize(
    "body", [b'{"a": 1}', b'{"b":1,"a":1}', b'{"a":1.00}', b'{"a":1}\n', b'{"a":1,"a":2}', b"\xff"]
)
def test_the_same_content_in_other_bytes_is_not_canonical(body: bytes) -> None:
    assert not is_canonical(body)
