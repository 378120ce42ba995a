"""The demo in the terminal and without one."""

from __future__ import annotations

import asyncio
from io import StringIO

import pytest
from rich.console import Console

from dissonance.drills.demo.progress import Progress
from dissonance.drills.demo.result import Accounting
from dissonance.drills.demo.view import end_table, show_live, show_plain, sparkline, stream_line
from support.demo import accounting, demo_result, window


def progress_of_a_stream() -> Progress:
    progress = Progress(lambda: 0.0, 40_000)
    progress.rows_sent, progress.event_time_us, progress.model_version = 12_000, 1_500_000_000_000_000, 1
    progress.windows = [window(0, 0.81), window(1, 0.7), window(2, None)]
    progress.note("[stream]")
    return progress


def printed(renderable: object) -> str:
    console = Console(file=StringIO(), width=160)
    console.print(renderable)
    assert isinstance(console.file, StringIO)
    return console.file.getvalue()


def test_sparkline_has_a_character_for_every_value_and_a_dot_where_none_is_known() -> None:
    assert sparkline([0.0, 0.5, 1.0, None], 0.0, 1.0) == "▁▅█·"
    assert sparkline([0.7, 0.7], 0.7, 0.7) == "▁▁"
    assert sparkline([], 0.0, 1.0) == ""


def test_line_tells_the_latest_window_and_the_latest_with_labels() -> None:
    line = stream_line(progress_of_a_stream())
    assert "2017-07-14" in line and "12,000/40,000" in line and "realised 0.700" in line and "dissonance 0.052" in line


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


def test_end_table_shows_the_balance_to_the_last_row() -> None:
    text = printed(end_table(demo_result()))
    assert "45,000 admitted + 999 blocked + 1 dead-lettered = 46,000, to the last one" in text
    assert "60.0% → 76.0%" in text and "/out/report.html" in text


@pytest.mark.parametrize(
    "unbalanced",
    [
        accounting(missing=1, admitted=44_999),
        accounting(unexpected=1, admitted=45_001),
        accounting(labels_joined=39_999),
        accounting(blocked=998),
    ],
)
def test_account_is_not_balanced_when_anything_is_missing_doubled_or_not_joined(unbalanced: Accounting) -> None:
    assert not unbalanced.balanced
    assert accounting().balanced
    assert "to the last one" not in printed(end_table(demo_result(account=unbalanced)))
