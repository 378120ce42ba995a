"""What was acknowledged, against what is stored."""

from __future__ import annotations

from uuid import UUID

import pytest

from dissonance.contracts.ids import id_text
from dissonance.drills.faults.account import Stored, settle
from dissonance.drills.faults.load import Answer
from dissonance.drills.faults.traffic import STEP_US, Requests

START_US = 1_700_000_000_000_000


def identifier(number: int) -> bytes:
    return UUID(int=(7 << 76) | (2 << 62) | number).bytes


def answered(number: int) -> Answer:
    return Answer(0.0, 0.01, 200, 1, id_text(identifier(number)), 1)


FAILED = Answer(0.0, 0.01, 503, 2)


def row(request: int, number: int) -> Stored:
    return Stored(START_US + request * STEP_US, identifier(number))


def number_of(event_time_us: int) -> int | None:
    number, rest = divmod(event_time_us - START_US, STEP_US)
    return number if rest == 0 and number >= 0 else None


@pytest.mark.parametrize(
    ("answers", "rows", "lost", "doubled", "invented", "unanswered"),
    [
        ([answered(0), answered(1)], [row(0, 0), row(1, 1)], [], [], 0, 0),
        ([answered(0), answered(1)], [row(0, 0)], [1], [], 0, 0),
        ([answered(0)], [row(0, 0), row(0, 9)], [], [0], 1, 0),  # one request twice, the second under another id
        ([answered(0)], [row(0, 9)], [0], [], 1, 0),
        ([answered(0), answered(0)], [row(0, 0)], [1], [1], 0, 0),  # two requests were told the same id
        ([FAILED], [row(0, 5)], [], [], 0, 1),  # stored, and its client gave up: no harm
        ([FAILED], [row(0, 5), row(0, 6)], [], [0], 0, 2),
        ([None, FAILED], [], [], [], 0, 0),
        ([answered(0)], [row(0, 0), row(7, 7)], [], [], 1, 0),  # nobody sent the seventh
        ([answered(0)], [row(0, 0), Stored(START_US + 1, identifier(3))], [], [], 1, 0),
    ],
)
def test_every_row_and_every_answer_is_accounted_for(
    answers: list[Answer | None],
    rows: list[Stored],
    lost: list[int],
    doubled: list[int],
    invented: int,
    unanswered: int,
) -> None:
    found = settle(answers, rows, number_of)

    assert (found.lost, found.doubled, found.invented, found.unanswered) == (lost, doubled, invented, unanswered)
    assert found.stored == len(rows)


def test_event_time_of_a_request_leads_back_to_it() -> None:
    requests = Requests(START_US)

    assert [requests.number(requests.event_time_us(number)) for number in (0, 1, 99_999)] == [0, 1, 99_999]
    assert requests.number(requests.event_time_us(5) + 1) is None
    assert requests.number(requests.event_time_us(0) - STEP_US) is None
    assert requests.event_time_us(1_999_999) < START_US


def test_some_come_again_and_one_in_a_hundred_is_new() -> None:
    requests = Requests(START_US)
    people = [requests.body(number).split(b'"person":"')[1].split(b'"')[0] for number in range(4_100)]

    assert people[1] == people[2_001]
    assert people[100] == b"stranger-100"
    assert sum(each.startswith(b"stranger") for each in people) == 41
