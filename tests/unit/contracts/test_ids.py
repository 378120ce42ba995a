from __future__ import annotations

import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dissonance.adapters.memory.clock import FixedClock, SeededRandomness
from dissonance.contracts.ids import (
    LATEST_MS,
    IdSource,
    id_from_text,
    id_text,
    uuid7_after,
    uuid7_bytes,
    uuid7_floor,
    uuid7_following,
    uuid7_time_us,
)
from dissonance.errors import MalformedEvent, WrongType

milliseconds = st.integers(0, LATEST_MS - 1)
random10 = st.binary(min_size=10, max_size=10)
RFC_9562_EXAMPLE = uuid.UUID("017f22e2-79b0-7cc3-98c4-dc0c0c07398f")  # appendix A.6


@given(milliseconds, random10)
def test_id_is_a_uuid_of_version_7_that_says_when_it_was_made(unix_ms: int, random: bytes) -> None:
    prediction_id = uuid7_bytes(unix_ms, random)
    parsed = uuid.UUID(bytes=prediction_id)
    assert (parsed.version, parsed.variant) == (7, uuid.RFC_4122)
    assert uuid7_time_us(prediction_id) == unix_ms * 1000
    assert id_from_text(id_text(prediction_id)) == prediction_id
    assert id_text(prediction_id) == str(parsed)


@given(milliseconds, random10, random10)
def test_ids_of_different_random_bits_differ(unix_ms: int, one: bytes, two: bytes) -> None:
    same_bits = int.from_bytes(one) >> 6 == int.from_bytes(two) >> 6
    assert (uuid7_bytes(unix_ms, one) == uuid7_bytes(unix_ms, two)) == same_bits


def test_time_of_the_example_in_the_rfc() -> None:
    assert uuid7_time_us(RFC_9562_EXAMPLE.bytes) == 1_645_557_742_000_000


@given(milliseconds, random10, milliseconds, random10)
def test_id_after_another_sorts_after_it_whatever_the_clock_does(
    first_ms: int, first: bytes, second_ms: int, second: bytes
) -> None:
    previous = uuid7_bytes(first_ms, first)
    following = uuid7_after(previous, second_ms, second)
    assert following > previous
    assert uuid.UUID(bytes=following).version == 7
    assert uuid7_time_us(following) >= second_ms * 1000


def test_id_after_the_last_one_of_a_millisecond_is_of_the_next() -> None:
    last = uuid7_bytes(9, b"\xff" * 10)
    assert uuid7_time_us(uuid7_after(last, 9, bytes(10))) == 10_000


@given(milliseconds, st.one_of(random10, st.just(b"\xff" * 10)), st.lists(st.integers(0, 2**32 - 1), max_size=9))
def test_ids_made_together_are_those_made_one_after_the_other(unix_ms: int, random: bytes, steps: list[int]) -> None:
    one_by_one = [uuid7_bytes(unix_ms, random)]
    for step in steps:
        one_by_one.append(uuid7_after(one_by_one[-1], unix_ms, step.to_bytes(4) + bytes(6)))
    assert uuid7_following(one_by_one[0], steps) == one_by_one


@given(milliseconds, random10)
def test_floor_of_a_time_is_below_its_ids_and_above_earlier_ones(unix_ms: int, random: bytes) -> None:
    prediction_id = uuid7_bytes(unix_ms, random)
    assert uuid7_floor(unix_ms * 1000) < prediction_id < uuid7_floor((unix_ms + 1) * 1000)


@pytest.mark.parametrize("wrong", [(-1, bytes(10)), (LATEST_MS + 1, bytes(10)), (0, bytes(9))])
def test_time_or_random_bytes_that_do_not_fit_are_refused(wrong: tuple[int, bytes]) -> None:
    with pytest.raises(ValueError, match="are needed"):
        uuid7_bytes(*wrong)


@pytest.mark.parametrize("wrong", [b"", bytes(16), uuid.UUID(int=1 << 127).bytes, RFC_9562_EXAMPLE.bytes[:15]])
def test_bytes_that_are_no_uuid7_have_no_time(wrong: bytes) -> None:
    with pytest.raises(MalformedEvent):
        uuid7_time_us(wrong)


@pytest.mark.parametrize("wrong", ["", "12", "not an id", "00000000-0000-4000-8000-000000000000", 7])
def test_text_that_is_no_prediction_id_names_its_place(wrong: str) -> None:
    with pytest.raises(WrongType) as caught:
        id_from_text(wrong, where="labels[3].prediction_id")
    assert caught.value.where == "labels[3].prediction_id"


def test_source_gives_rising_ids_while_the_clock_stands_still_and_steps_back() -> None:
    clock = FixedClock()
    source = IdSource(clock, SeededRandomness())
    ids = [source.next() for _ in range(100)]
    clock.advance(-3600)
    ids += source.many(100)
    clock.advance(7200)
    ids += source.many(2)
    assert ids == sorted(set(ids))
    assert uuid7_time_us(ids[-2]) == clock.now_us() // 1000 * 1000


def test_source_asked_for_no_ids_gives_none() -> None:
    assert IdSource(FixedClock(), SeededRandomness()).many(0) == []
