from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dissonance.errors import SealBroken
from dissonance.security.text_seal import MARK, TextSeal

SEAL, OTHER = TextSeal(bytes(64)), TextSeal(bytes([1]) * 64)


@given(st.text() | st.binary())
def test_what_was_sealed_opens_and_is_sealed_the_same_again(plain: str | bytes) -> None:
    assert SEAL.open(SEAL.seal(plain)) == plain
    assert SEAL.seal(plain) == SEAL.seal(plain)
    assert isinstance(SEAL.seal(plain), type(plain))


@given(st.text(min_size=8))
def test_nothing_of_the_text_is_left_in_what_is_kept(plain: str) -> None:
    assert plain not in str(SEAL.seal(plain))
    assert SEAL.open(SEAL.seal_json(plain)) == plain


@pytest.mark.parametrize("older", ["a reason of before", '{"name": "toy"}', b"evidence", "", None, 7])
def test_what_was_written_before_there_was_a_seal_is_read_as_it_is(older: object) -> None:
    assert SEAL.open(older) == older


@pytest.mark.parametrize("sealed", [OTHER.seal("text"), OTHER.seal(b"bytes"), MARK + "AAAA", f"{MARK}%"])
def test_what_was_changed_or_sealed_under_another_key_is_refused(sealed: object) -> None:
    with pytest.raises(SealBroken, match="another key"):
        SEAL.open(sealed)
