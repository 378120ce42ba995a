"""The demo in the terminal and without one."""

from __future__ import annotations

import asyncio
from io import StringIO

import pytest
from rich.console import Console

from dissonance.contracts.policy import Policy
from dissonance.drills.demo.progress import Progress
from dissonance.drills.demo.result import Accounting
from dissonance.drills.demo.view import (
    LEGEND,
    LINE_EVERY_S,
    StreamLines,
    end_table,
    show_live,
    show_plain,
    sparkline,
    stream_line,
)
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
    assert stream_line(progress_of_a_stream()) == "2017-07-14: v1; accuracy 0.80 (0.75); labels 0 of 4,480"


def test_line_tells_the_canary_beside_the_model_in_production_and_fits_on_eighty_columns() -> None:
    progress = progress_of_a_stream()
    progress.model_version, progress.canary_version, progress.labels_joined = 10, 11, 4_321
    line = stream_line(progress)
    assert "v10, canary v11;" in line
    assert len(f"{1_234.0:4.0f} s  {line}") <= 80
    assert max(map(len, LEGEND)) <= 80 - len("1234 s  ")


def test_stream_that_stands_still_says_why_once_and_goes_on_with_lines_when_it_moves() -> None:
    now_s = 0.0
    progress, lines = Progress(lambda: now_s, 40_000), StreamLines()
    progress.rows_sent = 40

    def later() -> list[str]:
        nonlocal now_s
        now_s += LINE_EVERY_S
        return lines.due(progress)

    assert later() == [*LEGEND, stream_line(progress)]
    progress.waiting_for.add("a model is being made")
    assert later() == ["the stream waits: a model is being made"]
    assert later() == []
    progress.waiting_for.add("the roles are behind")
    assert later() == ["the stream waits: the roles are behind"]
    progress.rows_sent = 80
    assert later() == [stream_line(progress)]
    assert later() == ["the stream waits: a model is being made", "the stream waits: the roles are behind"]
    assert lines.due(progress) == []


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
        "1 update went live by itself, version 2 on 2017-05-11",
        "2 ended without going live: versions 5 and 6; version 7 still answers a share of the rows",
        "2 versions: 3 (log loss 0.52, 0.48 in production); 4, which somebody wanted promoted (golden accuracy 0.51",
        "180 s from the first step until everything was stopped",
        "7,400 bought for 40,000 inputs, 8,768 would have been paid for; 70 second looks",
        "10 days into the stretch, without labels",
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
