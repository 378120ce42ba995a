"""What the drill makes of what went into production, and of what did not."""

from __future__ import annotations

import pytest

from dissonance.drills.deploy.record import record_of
from dissonance.drills.deploy.run import Deployed, Outcome
from dissonance.drills.records import Outcome as Verdict


def outcome(deployed: int, abandoned: int = 0, taken_back: int = 0) -> Outcome:
    """One every minute, for 1,000 labels."""
    moments = [60.0 * number for number in range(1, deployed + 1)]
    each = [Deployed(2, moment - 20.0, moment, round(moment / 0.06)) for moment in moments]
    return Outcome(100.0, each, 1, abandoned, taken_back, 12_000, 10_000, 600.0)


def test_as_often_as_it_was_is_stated_for_a_day_and_in_labels() -> None:
    record = record_of(outcome(10), 10)
    assert record.verdict is Verdict.PASS
    assert record.raw["deployments_per_day"] == pytest.approx(1_440.0)
    assert (record.raw["labels_median"], record.raw["accepted_to_promoted_median_s"]) == (1_000, 20.0)
    assert record.raw["labels_each"] == [1_000] * 10


@pytest.mark.parametrize(
    ("seen", "why"),
    [
        (outcome(9), "deployments is 9"),
        (outcome(10, abandoned=1), "accepted_and_not_deployed is 1"),
        (outcome(10, taken_back=1), "taken_back is 1"),
        (outcome(0), "deployments is 0"),
    ],
)
def test_too_few_or_one_that_did_not_last_fails(seen: Outcome, why: str) -> None:
    record = record_of(seen, 10)
    assert record.verdict is Verdict.FAIL
    assert any(reason.startswith(why) for reason in record.reasons)
