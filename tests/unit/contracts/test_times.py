from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dissonance.contracts.times import LATEST_US, to_text, to_us
from dissonance.errors import WrongType


@given(st.integers(-60_000_000_000_000_000, LATEST_US))
def test_text_and_back_is_the_same_moment(time_us: int) -> None:
    assert to_us(to_text(time_us), "t") == time_us


def test_text_without_an_offset_is_utc() -> None:
    assert to_us("2018-01-01T00:00:00", "t") == to_us("2018-01-01T01:00:00+01:00", "t")


@pytest.mark.parametrize("value", ["yesterday", "", True, None, float("nan"), float("inf"), 1e300, [], -1e300])
def test_what_is_no_time_is_refused_by_name(value: object) -> None:
    with pytest.raises(WrongType) as caught:
        to_us(value, "rows[2].seen_at")
    assert caught.value.where == "rows[2].seen_at"
