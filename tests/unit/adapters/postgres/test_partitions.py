from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dissonance.adapters.postgres.partitions import WEEK_MS, weeks_of
from dissonance.contracts.ids import LATEST_MS, uuid7_bytes
from dissonance.errors import MalformedEvent


@given(st.lists(st.integers(0, LATEST_MS), max_size=20), st.binary(min_size=10, max_size=10))
def test_weeks_are_those_in_which_the_ids_were_made(times_ms: list[int], random: bytes) -> None:
    assert weeks_of([uuid7_bytes(time_ms, random) for time_ms in times_ms]) == {t // WEEK_MS for t in times_ms}


@pytest.mark.parametrize("wrong", [b"", bytes(16), b"\xff" * 16, uuid7_bytes(1, bytes(10)) + b"x"])
def test_one_id_that_is_no_uuid7_is_found_among_others(wrong: bytes) -> None:
    good = uuid7_bytes(1, bytes(10))
    with pytest.raises(MalformedEvent):
        weeks_of([good, wrong, good])
