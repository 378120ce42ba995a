"""`dissonance replays` in words."""

from __future__ import annotations

from dissonance.cli.replays import kept_replay, kept_verdict, replays_table, verdicts_table
from dissonance.contracts.ids import id_text, uuid7_bytes
from dissonance.contracts.times import HOUR_US
from dissonance.contracts.verdicts import Reason
from dissonance.ports.replays import ReplayedVerdict, ReplayRecord
from support.printing import printed


def test_kept_replays_are_told_with_their_policy_and_how_much_came_out_otherwise() -> None:
    record = ReplayRecord("abc", None, HOUR_US, "as recorded, but max_doubt=0.5", 7, 1_234, 56, 2 * HOUR_US)
    kept = kept_replay(record)
    assert (kept.start, kept.end) == (None, "1970-01-01T01:00:00.000000Z")
    text = printed(replays_table([kept]), width=220)
    for piece in ("abc", "max_doubt=0.5", "1,234", "56", "1970-01-01T02:00:00"):
        assert piece in text, piece


def test_rows_are_told_as_they_were_recorded_and_as_they_come_out_now() -> None:
    prediction_id = uuid7_bytes(0, bytes(10))
    kept = kept_verdict(ReplayedVerdict(prediction_id, HOUR_US, Reason.BUDGET, Reason.WITHIN_BUDGET))
    assert kept.prediction_id == id_text(prediction_id)
    text = printed(verdicts_table([kept]), width=220)
    assert "blocked: budget" in text and "admitted: within budget" in text
