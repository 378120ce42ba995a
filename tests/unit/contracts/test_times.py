from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dissonance.contracts.times import EARLIEST_US, LATEST_US, to_text, to_us
from dissonance.errors import WrongType


@given(st.integers(EARLIEST_US, LATEST_US))
def test_text_and_back_is_the_same_moment(time_us: int) -> None:
    assert to_us(to_text(time_us), "t") == time_us


def test_text_without_an_offset_is_utc() -> None:
    assert to_us("2018-01-01T00:00:00", "t") == to_us("2018-01-01T01:00:00+01:00", "t")


@pytest.mark.parametrize("value", ["yesterday", "", True, None, float("nan"), float("inf"), 1e300, [], -1e300])
def test_what_is_no_time_is_refused_by_name(value: object) -> None:
    with pytest.raises(WrongType) as caught:
        to_us(value, "rows[2].seen_at")
    assert caught.value.where == "rows[2].seen_at"


def test_what_is_no_time_is_shown_and_no_more_of_it_than_a_line_holds() -> None:
    with pytest.raises(WrongType, match=r"^'now' is not a time"):
        to_us("now", "TIME")
    with pytest.raises(WrongType) as caught:
        to_us("x" * 10_000, "TIME")
    assert len(caught.value.what) < 100


@pytest.mark.parametrize("beyond_us", [1, 86_400_000_000, 10**30])
def test_a_window_that_ends_beyond_the_years_of_rfc_3339_is_shown_at_their_end(beyond_us: int) -> None:
    assert to_text(LATEST_US + beyond_us) == "9999-12-31T23:59:59.999999Z"
    assert to_text(EARLIEST_US - beyond_us) == "0001-01-01T00:00:00.000000Z"


@pytest.mark.parametrize("value", ["0001-01-01T00:00:00+12:00", "9999-12-31T23:59:59-12:00", 1_717_200_000_000])
def test_a_time_outside_of_these_years_is_refused(value: object) -> None:
    with pytest.raises(WrongType, match="years 1 to 9999"):
        to_us(value, "t")
