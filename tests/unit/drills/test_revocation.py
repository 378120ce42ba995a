"""What the drill takes for a refusal, and what it makes of what it saw."""

from __future__ import annotations

import pytest

from dissonance.drills.records import Outcome
from dissonance.drills.revocation import Revocations, Seen, is_refusal, record_of

LOCKED_OUT = b'{"type": "urn:dissonance:problem:locked-out", "status": 429}'
RATE_LIMITED = b'{"type": "urn:dissonance:problem:rate-limited", "status": 429}'


def outcome(**changed: object) -> Revocations:
    seen = [Seen(0.02, 1), Seen(0.03, 0)]
    good = Revocations(
        by_kind={"token": seen, "api key": seen, "holder": seen},
        at_mlflow=[Seen(2.0, 40)],
        stopped=[Seen(0.01, 0)],
        let_in_by_a_new_process=0,
        still_let_in=0,
    )
    return good._replace(**changed)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("status", "content", "refused"),
    [
        (401, b"", True),
        (429, LOCKED_OUT, True),
        (429, RATE_LIMITED, False),
        (429, b"not a problem", False),
        (200, b"{}", False),
        (503, LOCKED_OUT, False),
    ],
)
def test_a_caller_who_is_put_off_for_wrong_credentials_is_refused_and_one_who_asks_too_fast_is_not(
    status: int, content: bytes, refused: bool
) -> None:
    assert is_refusal(status, content) is refused


def test_the_drill_passes_where_all_are_refused_in_time() -> None:
    assert record_of(outcome()).verdict is Outcome.PASS


@pytest.mark.parametrize(
    "changed",
    [
        {"still_let_in": 1},
        {"let_in_by_a_new_process": 1},
        {"at_mlflow": [Seen(5.1, 90)]},
        {"stopped": [Seen(5.1, 0)]},
    ],
)
def test_the_drill_fails_where_one_comes_in_later_or_again(changed: dict[str, object]) -> None:
    assert record_of(outcome(**changed)).verdict is Outcome.FAIL
