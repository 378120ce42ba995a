from __future__ import annotations

import hmac

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dissonance.errors import SealBroken
from dissonance.security.wrapping import NEW_KEY_BYTES, KeyWrap, SubjectHash

RANDOM = bytes(range(NEW_KEY_BYTES))
PLACE = ("ab" * 16, b"s" * 16)


def test_wrapped_key_opens_to_the_random_bytes_it_was_made_of() -> None:
    wrap = KeyWrap(b"\x01" * 32)
    wrapped = wrap.new(*PLACE, RANDOM)
    assert wrap.open(*PLACE, wrapped) == RANDOM[:32]
    assert RANDOM[:32] not in wrapped


def test_wrapped_key_opens_neither_under_another_key_nor_for_another_data_subject() -> None:
    wrapped = KeyWrap(b"\x01" * 32).new(*PLACE, RANDOM)
    with pytest.raises(SealBroken, match="key-encryption key"):
        KeyWrap(b"\x02" * 32).open(*PLACE, wrapped)
    for elsewhere in ((PLACE[0], b"t" * 16), ("cd" * 16, PLACE[1])):
        with pytest.raises(SealBroken):
            KeyWrap(b"\x01" * 32).open(*elsewhere, wrapped)


@pytest.mark.parametrize("wrapped", [b"", b"\x01", b"\x01" * 61, b"\x02" * 61])
def test_bytes_that_are_no_wrapped_key_are_refused(wrapped: bytes) -> None:
    with pytest.raises(SealBroken):
        KeyWrap(b"\x01" * 32).open(*PLACE, wrapped)


def test_many_wrapped_keys_open_to_what_each_opens_to() -> None:
    wrap = KeyWrap(b"\x01" * 32)
    people = [bytes([number]) * 16 for number in range(3)]
    wrapped = [wrap.new(PLACE[0], person, person * 2 + RANDOM[:12]) for person in people]
    opened = wrap.open_many(PLACE[0], people, wrapped)
    assert opened == {person: wrap.open(PLACE[0], person, key) for person, key in zip(people, wrapped, strict=True)}
    assert wrap.open_many(PLACE[0], [], []) == {}
    joined = [b"".join(people), b"".join(wrapped)]
    assert wrap.open_joined(PLACE[0], *joined) == opened
    for lacking in (1, 61):
        with pytest.raises(SealBroken, match="key-encryption key"):
            wrap.open_joined(PLACE[0], joined[0], joined[1][:-lacking])


@pytest.mark.parametrize("broken", [b"", b"\x01", b"\x01" * 61, b"\x02" * 61])
def test_one_that_is_no_wrapped_key_among_many_is_refused(broken: bytes) -> None:
    wrap = KeyWrap(b"\x01" * 32)
    with pytest.raises(SealBroken, match="key-encryption key"):
        wrap.open_many(PLACE[0], [PLACE[1], b"t" * 16], [wrap.new(*PLACE, RANDOM), broken])


@given(st.tuples(st.binary(min_size=1), st.text(), st.text()), st.tuples(st.binary(min_size=1), st.text(), st.text()))
def test_hash_of_a_data_subject_stands_for_key_task_and_name(
    one: tuple[bytes, str, str], two: tuple[bytes, str, str]
) -> None:
    first, second = (SubjectHash(key)(task, name) for key, task, name in (one, two))
    assert len(first) == 16
    said = [(key.ljust(64, b"\0") if len(key) <= 64 else key, task + "\0" + name) for key, task, name in (one, two)]
    assert (first == second) == (said[0] == said[1])


@given(st.binary(min_size=1, max_size=100), st.text(), st.text())
def test_hash_of_a_data_subject_is_the_hmac_of_the_standard_library(key: bytes, task: str, name: str) -> None:
    said = task.encode() + b"\0" + name.encode()
    assert SubjectHash(key)(task, name) == hmac.digest(key, said, "sha256")[:16]
