from __future__ import annotations

from collections.abc import Iterator
from threading import Event

import numpy as np
import pyarrow as pa
import pytest

from dissonance.errors import ModelRefused
from dissonance.pipeline.scoring.threads import ThreadCrew
from dissonance.ports.scoring import Part, Scored

NOTHING = pa.table({"row": pa.array([], pa.int64())})


def numbered(count: int) -> Iterator[Part]:
    for number in range(count):
        yield Part(number, np.empty(0, np.int64), NOTHING)


class Echo:
    """Says the number of the part; the first waits until the second is done."""

    def __init__(self) -> None:
        self.second_is_done = Event()

    def score(self, part: Part) -> Scored:
        if part.number == 0:
            assert self.second_is_done.wait(10.0)
        if part.number == 1:
            self.second_is_done.set()
        return Scored(part.number, 0, NOTHING, NOTHING)


def refuse(part: Part) -> Scored:
    raise ModelRefused("not this one")


def test_parts_come_in_order_also_when_a_later_one_is_done_first() -> None:
    found = ThreadCrew(Echo().score, 3).score(numbered(20))
    assert [each.number for each in found] == list(range(20))


@pytest.mark.parametrize("jobs", [1, 2, 5])
def test_no_more_parts_are_held_than_there_are_hands(jobs: int) -> None:
    taken = 0

    def counted() -> Iterator[Part]:
        nonlocal taken
        for part in numbered(30):
            taken += 1
            yield part

    echo = Echo()
    echo.second_is_done.set()
    for done, _ in enumerate(ThreadCrew(echo.score, jobs).score(counted())):
        assert taken <= done + jobs


@pytest.mark.parametrize("jobs", [1, 3])
def test_what_a_thread_raises_is_raised(jobs: int) -> None:
    with pytest.raises(ModelRefused):
        list(ThreadCrew(refuse, jobs).score(numbered(5)))
