"""What was seen from outside: when a replica gave its last answer by the wrong version, and its first by the right."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from dissonance.drills.faults.load import OpenLoad


class Seen(NamedTuple):
    """An answer: when it came, in the time of the event loop, and which version gave it."""

    at_s: float
    version: int


def answers_of(load: OpenLoad) -> list[Seen]:
    """In the order in which they came."""
    found = [
        Seen(load.due_s(number) + answer.latency_s, answer.version)
        for number, answer in enumerate(load.answers)
        if answer is not None and answer.ok
    ]
    return sorted(found)


def settled_s(answers: Sequence[Seen], version: int, from_s: float, until_s: float) -> float | None:
    """When the first answer by `version` came after which none by another did, of those in `[from_s, until_s)`; None
    where that was not seen.

    >>> settled_s([Seen(1.0, 2), Seen(1.1, 1), Seen(1.2, 2), Seen(1.3, 1), Seen(1.4, 1)], 1, 1.0, 2.0)
    1.3
    """
    settled: float | None = None
    for answer in answers:
        if from_s <= answer.at_s < until_s:
            if answer.version != version:
                settled = None
            elif settled is None:
                settled = answer.at_s
    return settled


def all_settled_s(replicas: Iterable[Sequence[Seen]], version: int, from_s: float, until_s: float) -> float | None:
    """When the last of the replicas had settled."""
    each = [settled_s(answers, version, from_s, until_s) for answers in replicas]
    return None if None in each else max(moment for moment in each if moment is not None)
