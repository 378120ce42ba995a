"""`dissonance models history`, `at` and `diff` in words."""

from __future__ import annotations

from collections import Counter

from dissonance.cli.model_diff import diff_answer, diff_table
from dissonance.cli.model_history import at_answer, show_at, show_history, version_lines
from dissonance.decisions.timeline import InForce
from dissonance.pipeline.model_diff import Apart, Described, ModelDiff
from dissonance.pipeline.model_history import At, Happened, VersionHistory
from dissonance.ports.registry import ModelRole, ModelVersion
from support.printing import printed
from support.store import RowMaker

TASK = RowMaker("history").task()


def version(number: int, **metrics: float) -> ModelVersion:
    parent = number - 1 or None
    return ModelVersion(TASK.task_id, ModelRole.PROPOSER, number, f"{number:064x}", 0, metrics, parent, number == 2)


def test_what_happened_is_told_version_by_version_with_its_proof() -> None:
    happened = [
        Happened(0, None, "registered", "pipeline", "trained after version 1", ""),
        Happened(1_000_000, 500_000, "rolled_back", "gate", "worse", "ab" * 32),
        Happened(2_000_000, 500_000, "refused", "ann", "", "cd" * 32),
    ]
    lines = [version_lines(VersionHistory(version(2), happened))]
    assert [each.event_time for each in lines[0].happened][:2] == [None, "1970-01-01T00:00:00.500000Z"]
    text = printed(lambda console: show_history(console, lines))
    for piece in (
        "version 2 (in production)",
        "00:00:01  rolled back, gate: worse  abababababab",
        "refused, ann  cdcd",
    ):
        assert piece in text, piece


def test_who_answered_is_told_by_both_times_with_the_canary_beside_it() -> None:
    rows = Counter({(2, "canary"): 30, (None, "production"): 1_000})
    answer = at_answer(At(TASK, InForce(1, 2, 0.25), InForce(None), rows), 0)
    text = printed(lambda console: show_at(console, answer))
    for piece in (
        "by the clock: version 1, and for 25% of requests version 2 as canary",
        "by event time: no version",
        "1,000 stored answers of the hour before, event time: no longer in the registry (production)",
        "version 2 (canary)",
    ):
        assert piece in text, piece


def test_only_what_differs_between_two_versions_is_in_the_table() -> None:
    facts = {"schema": "ee", "training data": "aa"}
    before = Described(version(1, golden_accuracy=0.75), {"seed": "0"}, facts, 1_000)
    after = Described(version(2, golden_accuracy=0.875), {"seed": "1"}, {**facts, "training data": "bb"}, 2_000)
    answer = diff_answer(ModelDiff(TASK, before, after, Apart(600, 0.0125, 0.0005, 0.02)))
    assert answer.same == ["registered at", "schema"]
    text = printed(diff_table(answer))
    for piece in ("0.875", "parameter seed", "2,000", "0.0125 nats", "2.00% of the answers"):
        assert piece in text, piece
    assert "schema" not in text
