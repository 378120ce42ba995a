"""The same people come again as others, later; no event time is after the clock."""

from __future__ import annotations

from dissonance.contracts.times import to_us
from dissonance.drills import census
from dissonance.drills.soak.traffic import DAY_US, ROWS_PER_DAY, TIME, Traffic, start_us

NOW_US = 1_790_000_000_000_000


def test_a_row_that_comes_again_is_another_person_at_a_later_time_with_the_same_answer() -> None:
    traffic = Traffic(250_000, NOW_US)
    people = traffic.people

    first, again = traffic.rows(1, 2)[0], traffic.rows(people + 1, people + 2)[0]

    assert first[census.PERSON] != again[census.PERSON]
    assert to_us(str(first[TIME]), TIME) < to_us(str(again[TIME]), TIME)
    assert traffic.labels[1] == traffic.labels[people + 1]
    own = {census.PERSON, TIME}
    assert {k: v for k, v in first.items() if k not in own} == {k: v for k, v in again.items() if k not in own}


def test_event_time_runs_at_a_steady_rate_up_to_less_than_the_clock() -> None:
    traffic = Traffic(25_000, NOW_US)

    assert len(traffic) == len(traffic.times_us) == len(traffic.labels) == 25_000
    assert traffic.times_us[0] == start_us(25_000, NOW_US)
    assert set((traffic.times_us[1:] - traffic.times_us[:-1]).tolist()) == {DAY_US // ROWS_PER_DAY}
    assert traffic.times_us[-1] < NOW_US - DAY_US // 2


def test_every_row_is_sent_as_its_own() -> None:
    rows = Traffic(200, NOW_US).rows(0, 200)

    assert len({row[census.PERSON] for row in rows}) == 200
    assert all(census.TARGET not in row for row in rows)
