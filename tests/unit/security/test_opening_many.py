"""Many sealed bytes open to what each opens to alone, by either library, and the first that does not is named."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st
from nacl._sodium import lib

from dissonance.security.envelope import VERSION, open_sealed, seal
from dissonance.security.opening_many import (
    AT_ONCE,
    OVERHEAD_BYTES,
    DoesNotOpen,
    by_cryptography,
    by_libsodium,
    open_many,
)

Way = Callable[[Sequence[bytes], Sequence[bytes], Iterable[bytes]], list[bytes]]

both = pytest.mark.parametrize("way", [by_libsodium, by_cryptography])
keys_of_people = st.sampled_from([bytes([number]) * 32 for number in range(3)])
rows = st.lists(st.tuples(keys_of_people, st.binary(min_size=12, max_size=12), st.binary(), st.binary()), max_size=8)


def sealed_alike(n: int) -> tuple[list[bytes], list[bytes], list[bytes]]:
    keys = [bytes([number % 5]) * 32 for number in range(n)]
    sealed = [seal(key, number.to_bytes(12), b"row", b"id") for number, key in enumerate(keys)]
    return keys, sealed, [VERSION + b"id"] * n


@both
@given(rows)
def test_what_was_sealed_opens_to_what_it_was(way: Way, made: list[tuple[bytes, bytes, bytes, bytes]]) -> None:
    keys, _, plain, bound = map(list, zip(*made, strict=True)) if made else ([], [], [], [])
    sealed = [seal(*each) for each in made]
    assert way(keys, sealed, (VERSION + each for each in bound)) == plain
    assert plain == [open_sealed(*each) for each in zip(keys, sealed, bound, strict=True)]


@given(rows.filter(bool), st.data())
def test_the_first_whose_bytes_key_or_place_changed_is_named_by_both(
    made: list[tuple[bytes, bytes, bytes, bytes]], data: st.DataObject
) -> None:
    keys, sealed, bound = [each[0] for each in made], [seal(*each) for each in made], [VERSION + row[3] for row in made]
    row = data.draw(st.integers(0, len(made) - 1))
    column = data.draw(st.sampled_from([keys, sealed, bound]))
    place = data.draw(st.integers(0, len(column[row]) - 1))
    changed = bytearray(column[row])
    changed[place] ^= data.draw(st.integers(1, 255))
    column[row] = bytes(changed)
    for way in (by_libsodium, by_cryptography):
        with pytest.raises(DoesNotOpen) as caught:
            way(keys, sealed, bound)
        assert caught.value.position == row


@both
@given(length=st.integers(0, OVERHEAD_BYTES - 1))
def test_bytes_too_short_to_be_sealed_do_not_open(way: Way, length: int) -> None:
    keys, sealed, bound = sealed_alike(3)
    with pytest.raises(DoesNotOpen) as caught:
        way(keys, [sealed[0], sealed[1][:length], sealed[2]], bound)
    assert caught.value.position == 1


@both
@pytest.mark.parametrize("length", [0, 16, 31, 33])
def test_a_key_of_another_length_opens_nothing(way: Way, length: int) -> None:
    keys, sealed, bound = sealed_alike(3)
    with pytest.raises(DoesNotOpen) as caught:
        way([keys[0], bytes(length), keys[2]], sealed, bound)
    assert caught.value.position == 1


@both
def test_a_row_far_behind_is_named_by_its_own_place(way: Way) -> None:
    keys, sealed, bound = sealed_alike(2 * AT_ONCE + 3)
    assert way(keys, sealed, bound) == [b"row"] * len(keys)
    sealed[AT_ONCE + 7] = sealed[AT_ONCE + 6]
    with pytest.raises(DoesNotOpen) as caught:
        way(keys, sealed, bound)
    assert caught.value.position == AT_ONCE + 7


@both
@pytest.mark.parametrize("lacking", range(3))
def test_columns_of_unequal_length_are_refused(way: Way, lacking: int) -> None:
    columns = [list(column) for column in sealed_alike(3)]
    del columns[lacking][2]
    with pytest.raises(ValueError, match="zip"):
        way(*columns)


def test_libsodium_is_used_where_the_processor_has_instructions_for_aes() -> None:
    assert lib.crypto_aead_aes256gcm_is_available() in (0, 1)
    assert open_many is (by_libsodium if lib.crypto_aead_aes256gcm_is_available() else by_cryptography)
