"""`dissonance replay` in words; the replay itself is tested where it is decided."""

from __future__ import annotations

from collections import Counter
from io import StringIO

import pytest
from rich.console import Console

from dissonance.cli import run
from dissonance.cli.replay import ReplayAnswer, describe, replay_answer, show_replay, stretch
from dissonance.contracts.times import HOUR_US
from dissonance.contracts.verdicts import Reason, UpdateVerdict
from dissonance.decisions.replaying import Range, Replayed, RowDiffers, UpdateReplayed
from dissonance.errors import InputError, PolicyInvalid
from dissonance.pipeline.replay import ALWAYS, ReplayOutcome
from support.walk import TASK


def answer(inside: Range = ALWAYS) -> ReplayAnswer:
    replayed = Replayed(
        rows=7,
        transitions=Counter({(Reason.AGREED, Reason.AGREED): 5, (Reason.BUDGET, Reason.WITHIN_BUDGET): 2}),
        examples=[RowDiffers(bytes(16), HOUR_US, Reason.BUDGET, Reason.WITHIN_BUDGET)],
        updates=[UpdateReplayed(3, UpdateVerdict.ACCEPTED, UpdateVerdict.REFUSED, ("KLBound",))],
        unreadable=1,
        policy_versions=[1, 2],
    )
    return replay_answer(ReplayOutcome(TASK, inside, 9, replayed), describe({"d_budget_per_hour": "4"}, None))


def test_what_differs_is_told_row_by_row_and_in_sum() -> None:
    told = answer(Range(0, HOUR_US))
    assert (told.start, told.end) == ("1970-01-01T00:00:00.000000Z", "1970-01-01T01:00:00.000000Z")
    assert (told.rows, told.differing, told.links, told.unreadable_links) == (7, 3, 9, 1)
    assert told.transitions[1].recorded == "blocked: budget"
    assert told.transitions[1].replayed == "admitted: within budget"
    console = Console(file=StringIO(), width=160)
    show_replay(console, told)
    assert isinstance(console.file, StringIO)
    text = console.file.getvalue()
    for piece in (
        "d_budget_per_hour=4",
        "blocked: budget → admitted: within budget",
        "(KLBound)",
        "3 differ",
        "1 link of an older form was left out",
    ):
        assert piece in text, piece


def test_the_whole_history_has_no_bounds() -> None:
    assert (answer().start, answer().end) == (None, None)


@pytest.mark.parametrize("end", ["2020-01-01T00:00:00Z", "2019-01-01T00:00:00Z"])
def test_a_stretch_without_any_time_in_it_is_refused(end: str) -> None:
    with pytest.raises(InputError, match="ends before it begins"):
        stretch("2020-01-01T00:00:00Z", end)
    assert stretch(None, end).start_us == ALWAYS.start_us


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["--set", "max_dout=0.5"], PolicyInvalid.exit_code),
        (["--set", "max_doubt=2"], PolicyInvalid.exit_code),
        (["--set", "max_doubt"], PolicyInvalid.exit_code),
        (["--set", "max_doubt=0.5", "--policy-version", "1"], InputError.exit_code),
    ],
)
def test_a_policy_that_makes_no_sense_is_refused_before_anything_is_read(
    arguments: list[str], code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["replay", "toy", *arguments, "--json"]) == code
    assert '"error"' in capsys.readouterr().out
