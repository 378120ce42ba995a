"""A result of the demo with every kind of thing in it, for tests of what shows it."""

from __future__ import annotations

from dissonance.contracts.api import WindowReply
from dissonance.contracts.policy import Policy
from dissonance.contracts.times import to_text
from dissonance.drills.demo.result import Accounting, Compared, DemoResult, ReasonCount, StepTime, Update
from dissonance.drills.demo.story import FALL, STREAM
from dissonance.drills.records import Machine
from dissonance.science.proportions import paired_difference, wilson_interval

WINDOW_S = 30 * 86_400
WIDTH_US = WINDOW_S * 1_000_000


def window(number: int, accuracy: float | None, *, rows: int = 1000, labelled: int | None = None) -> WindowReply:
    """Window `number` of the stream, from 0; fully labelled when `accuracy` is given, unless told otherwise."""
    start_us = STREAM.start_us // WIDTH_US * WIDTH_US + number * WIDTH_US
    known = (rows if accuracy is not None else 0) if labelled is None else labelled
    return WindowReply(
        window_id=f"w{number}",
        start=to_text(start_us),
        end=to_text(start_us + WIDTH_US),
        revision=1,
        rows=rows,
        labelled=known,
        mean_doubt=0.2,
        mean_dissonance=0.05 + 0.001 * number,
        share_over_target=0.1,
        estimated_accuracy=0.8,
        realised_accuracy=accuracy,
        closed=True,
    )


def accounting(**changes: int) -> Accounting:
    """46,000 rows that balance, unless changed."""
    figures = {
        "acknowledged": 46_000,
        "admitted": 45_000,
        "blocked": 999,
        "dead_lettered": 1,
        "missing": 0,
        "unexpected": 0,
        "labels_sent": 40_000,
        "labels_joined": 40_000,
        "requests": 230,
        "retries": 0,
        "verdict_chain_links": 123,
    }
    return Accounting(**{**figures, **changes})


def demo_result(*, account: Accounting | None = None, report: str = "/out/report.html") -> DemoResult:
    windows = [window(number, 0.66 if 15 <= number < 20 else 0.81) for number in range(36)]
    windows.append(window(36, None))
    return DemoResult(
        version="0.1.0",
        commit=None,
        started_at="2026-01-02T03:04:05.000000Z",
        machine=Machine(cpu="<b>a cpu & more</b>", cores=2, memory_bytes=8 * 2**30, kernel="Linux 6", python="3.11.2"),
        task="acs-employment",
        rows=40_000,
        seed=1,
        training_rows=52_000,
        training_group_quarters=20,
        training_left_out=5_042,
        stream_group_quarters=6_800,
        steps=[StepTime("start", 5.0), StepTime("stream", 100.0)],
        seconds=180.0,
        stream_seconds=100.0,
        rows_per_request=200,
        policy=Policy(window_s=WINDOW_S),
        accounting=account or accounting(),
        windows=windows,
        reasons=[
            ReasonCount(STREAM.start_us // WIDTH_US * WIDTH_US + number * WIDTH_US, reason, verdict, rows)
            for number in range(36)
            for reason, verdict, rows in (("agreed", "admitted", 900), ("dissonance", "blocked", 100))
        ],
        update=Update(0.81, 0.66, FALL.end_us, FALL.end_us + WIDTH_US, 20.0, 1, 2, 17_000, 16_000, 0.8, 0.801),
        compared=[
            Compared(name, 1_500, wilson_interval(900, 1_500), wilson_interval(after, 1_500), change)
            for name, after, change in (
                ("people in group quarters", 1_140, paired_difference(300, 60, 1_500)),
                ("everybody else", 905, paired_difference(15, 10, 1_500)),
            )
        ],
        memory_bytes={"engines": 2**30, "proposer": 2**28, "backstage": 2**28},
        report=report,
    )
