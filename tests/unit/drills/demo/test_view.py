"""The demo in the terminal and without one."""

from __future__ import annotations

import asyncio
from io import StringIO

import pytest
from rich.console import Console

from dissonance.contracts.policy import Policy
from dissonance.drills.demo.progress import Progress
from dissonance.drills.demo.result import Accounting
from dissonance.drills.demo.view import end_table, show_live, show_plain, sparkline, stream_line
from support.demo import accounting, demo_result, window
from support.printing import printed


def progress_of_a_stream() -> Progress:
    progress = Progress(lambda: 0.0, 40_000)
    progress.rows_sent, progress.event_time_us, progress.model_version = 12_000, 1_500_000_000_000_000, 1
    progress.windows = [window(0, 0.8), window(1, 0.7), window(2, None)]
    progress.policy = Policy(label_budget_per_day=8)
    progress.note("[stream]")
    return progress


def test_sparkline_has_a_character_for_every_value_and_a_dot_where_none_is_known() -> None:
    assert sparkline([0.0, 0.5, 1.0, None], 0.0, 1.0) == "▁▅█·"
    assert sparkline([0.7, 0.7], 0.7, 0.7) == "▁▁"
    assert sparkline([], 0.0, 1.0) == ""


def test_line_tells_the_latest_window_and_the_latest_with_labels() -> None:
    line = stream_line(progress_of_a_stream())
    for piece in ("2017-07-14", "12,000/40,000", "model v1", "λ 0", "labels 0 of 4,480", "doubt 0.202"):
        assert piece in line, piece
    assert "random check 0.750 of 20" in line


@pytest.mark.parametrize("view", [show_plain, show_live])
def test_view_shows_notes_as_they_are_and_ends_when_cancelled(view: object) -> None:
    file = StringIO()

    async def scenario() -> None:
        console = Console(file=file, width=120, force_terminal=view is show_live)
        shower = show_live if view is show_live else show_plain
        task = asyncio.create_task(shower(progress_of_a_stream(), console))
        await asyncio.sleep(0.05)
        task.cancel()
        await asyncio.wait([task])

    asyncio.run(scenario())
    assert "[stream]" in file.getvalue()
    if view is show_live:
        assert "accuracy, realised" in file.getvalue()


def test_end_table_shows_the_balance_to_the_last_row_and_what_the_loop_did() -> None:
    text = printed(end_table(demo_result()))
    assert "39,000 admitted + 999 blocked + 1 dead-lettered = 40,000, to the last one" in text
    for piece in (
        "frozen 60.0%, managed 76.0%, +16.0 points",
        "1 went live by themselves, version 2 on 2017-05-11",
        "7,400 bought for 40,000 inputs, 8,768 would have been paid for; 70 second looks",
        "10 days into the stretch, without labels",
        "version 4: golden accuracy 0.51, <u>0.79</u>",
        "worse without labels",
        "/out/report.html",
    ):
        assert piece in text, piece


def test_end_table_says_so_when_harm_was_not_noticed() -> None:
    assert "that accuracy fell was not noticed" in printed(end_table(demo_result(harm=False)))


@pytest.mark.parametrize(
    "unbalanced",
    [
        accounting(missing=1, admitted=38_999),
        accounting(unexpected=1, admitted=39_001),
        accounting(labels_joined=7_399),
        accounting(blocked=998),
    ],
)
def test_account_is_not_balanced_when_anything_is_missing_doubled_or_not_joined(unbalanced: Accounting) -> None:
    assert not unbalanced.balanced
    assert accounting().balanced
    assert "to the last one" not in printed(end_table(demo_result(account=unbalanced)))
