"""`dissonance audit` in words and exit codes."""

from __future__ import annotations

import msgspec
import pytest

from dissonance.cli.audit import findings_table, is_bad
from dissonance.contracts.finding_api import FindingReply
from support.printing import printed

LOW = FindingReply(
    code="disk-low",
    severity="error",
    subject="/data [here]",
    what="9.0 of 100.0 GiB are free",
    fix="free some",
    evidence={"free_bytes": 9},
    first_seen="2026-01-02T03:04:05.000000Z",
    last_seen="2026-01-02T03:05:05.000000Z",
    resolved_at=None,
)


def test_finding_is_told_with_its_subject_since_when_and_how_to_mend_it() -> None:
    text = printed(findings_table([LOW]))
    for piece in ("error", "disk-low", "/data [here]", "9.0 of 100.0 GiB", "free some", "2026-01-02 03:04"):
        assert piece in text, piece


def test_nothing_wrong_is_said_so() -> None:
    assert "Nothing is wrong" in printed(findings_table([]))


@pytest.mark.parametrize(
    ("severity", "resolved_at", "bad"),
    [
        ("note", None, False),
        ("warning", None, True),
        ("critical", None, True),
        ("critical", "2026-01-02T03:06:05.000000Z", False),
    ],
)
def test_only_what_is_open_and_worse_than_a_note_fails_the_command(
    severity: str, resolved_at: str | None, bad: bool
) -> None:
    finding = msgspec.structs.replace(LOW, severity=severity, resolved_at=resolved_at)
    assert is_bad(finding) is bad
    assert ("resolved 2026-01-02 03:06" in printed(findings_table([finding]))) is (resolved_at is not None)
