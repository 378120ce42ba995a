"""A result of the demo with every kind of thing in it, for tests of what shows it."""

from __future__ import annotations

from dissonance.contracts.policy import Policy
from dissonance.contracts.times import to_text
from dissonance.contracts.topics import EventKind
from dissonance.contracts.window_api import WindowReply
from dissonance.drills.demo.compare import Compared, TrueWindow
from dissonance.drills.demo.follow import Happening
from dissonance.drills.demo.mischief import Mischief
from dissonance.drills.demo.result import (
    Accounting,
    DemoResult,
    LabelsUsed,
    Notice,
    PolicyStep,
    ReasonCount,
    StepTime,
)
from dissonance.drills.demo.story import BACK, FALL, MEDDLING_SPAN, STREAM, STRETCH, WINDOW_US
from dissonance.drills.demo.updates import Update
from dissonance.drills.records import Machine
from dissonance.ports.labels import AskedAs
from dissonance.science.proportions import paired_difference, wilson_interval

FIRST_US = STREAM.start_us // WINDOW_US * WINDOW_US
WINDOWS = 219
IN_THE_STRETCH = range(91, 122)
SPOILT_VERSION = 4


def window(number: int, accuracy: float | None, *, rows: int = 180, labelled: int | None = None) -> WindowReply:
    """Window `number` of the stream, from 0; fully labelled when `accuracy` is given, unless told otherwise."""
    start_us = FIRST_US + number * WINDOW_US
    known = (rows if accuracy is not None else 0) if labelled is None else labelled
    checked = 0 if accuracy is None else 10
    right = 0 if accuracy is None else round(10 * accuracy)
    low, estimate, high = _interval(right, checked)
    return WindowReply(
        window_id=f"w{number}",
        start=to_text(start_us),
        end=to_text(start_us + WINDOW_US),
        revision=1,
        rows=rows,
        labelled=known,
        mean_doubt=0.2 + 0.001 * number,
        mean_dissonance=0.05 + 0.0001 * number,
        share_over_target=0.1,
        estimated_accuracy=0.8,
        realised_accuracy=accuracy,
        closed=True,
        coverage=known / rows,
        random_checked=checked,
        random_right=right,
        random_accuracy=estimate,
        random_interval=None if low is None or high is None else [low, high],
    )


def _interval(right: int, checked: int) -> tuple[float | None, float | None, float | None]:
    if not checked:
        return None, None, None
    interval = wilson_interval(right, checked)
    return interval.low, interval.estimate, interval.high


def accounting(**changes: int) -> Accounting:
    """40,000 rows that balance, unless changed."""
    figures = {
        "acknowledged": 40_000,
        "admitted": 39_000,
        "blocked": 999,
        "dead_lettered": 1,
        "missing": 0,
        "unexpected": 0,
        "labels_sent": 7_400,
        "labels_joined": 7_400,
        "requests": 1_000,
        "retries": 0,
        "verdict_chain_links": 123,
    }
    return Accounting(**{**figures, **changes})


def happenings() -> list[Happening]:
    """Harm, an update by itself, and the one that was forced and taken back."""
    said = [
        (FALL.start_us + 2 * WINDOW_US, EventKind.HARM_ESTIMATED, None, "harm, before its labels came"),
        (FALL.start_us + 4 * WINDOW_US, EventKind.RETRAIN_REQUESTED, None, "an update is due (harm): <i>enough</i>"),
        (FALL.start_us + 4 * WINDOW_US, EventKind.UPDATE_JUDGED, 2, "the gate on version 2: passed, 4 rules hold"),
        (FALL.start_us + 8 * WINDOW_US, EventKind.MODEL_PROMOTED, 2, "version 2 answers: canary won"),
        (MEDDLING_SPAN.start_us, EventKind.MODEL_PROMOTED, SPOILT_VERSION, "version 4 answers: override"),
        (MEDDLING_SPAN.end_us, EventKind.MODEL_ROLLED_BACK, 2, "rolled back to version 2: worse without labels"),
    ]
    return [
        Happening(float(i), at_us, kind.value, version, text) for i, (at_us, kind, version, text) in enumerate(said)
    ]


def compared() -> list[Compared]:
    return [
        Compared(name, 1_500, wilson_interval(900, 1_500), wilson_interval(managed, 1_500), gain)
        for name, managed, gain in (
            (STRETCH, 1_140, paired_difference(300, 60, 1_500)),
            (BACK, 1_170, paired_difference(300, 30, 1_500)),
        )
    ]


def demo_result(
    *,
    account: Accounting | None = None,
    report: str = "/out/report.html",
    harm: bool = True,
    lines: list[Compared] | None = None,
    told: list[Happening] | None = None,
) -> DemoResult:
    numbers = range(WINDOWS)
    accuracies = [0.66 if number in IN_THE_STRETCH else 0.81 for number in numbers]
    windows = [window(number, accuracy) for number, accuracy in zip(numbers, accuracies, strict=True)]
    starts_us = [FIRST_US + number * WINDOW_US for number in numbers]
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
        rows_per_request=40,
        policy=Policy(version=2, window_s=WINDOW_US // 1_000_000, label_budget_per_day=8, lambda_in_force=0.01),
        policies=[PolicyStep(1, "admin", "created", 0.0), PolicyStep(2, "meta", "the <penalty> pays", 0.01)],
        accounting=account or accounting(),
        windows=[*windows, window(WINDOWS, None)],
        truth=[
            TrueWindow(start_us, 180, accuracy, accuracy + 0.01)
            for start_us, accuracy in zip(starts_us, accuracies, strict=True)
        ],
        reasons=[
            ReasonCount(start_us, reason, verdict, rows)
            for start_us in starts_us
            for reason, verdict, rows in (("agreed", "admitted", 170), ("dissonance", "blocked", 10))
        ],
        happenings=happenings() if told is None else told,
        harm=Notice(FALL.start_us, FALL.start_us + 2 * WINDOW_US, 3, 0.73, 0.79) if harm else None,
        labels=LabelsUsed(
            asked={AskedAs.RANDOM_CHECK: 1_500, AskedAs.CHOSEN: 5_900, AskedAs.SECOND_LOOK: 70},
            budget=8_768,
            rows=40_000,
        ),
        compared=compared() if lines is None else lines,
        mischief=Mischief(
            SPOILT_VERSION,
            "golden accuracy 0.51, <u>0.79</u> in production",
            MEDDLING_SPAN.start_us,
            MEDDLING_SPAN.end_us,
            "rolled back to version 2: worse without labels",
        ),
        updates=[
            Update(2, phase="settled"),
            Update(3, refused="log loss 0.52, 0.48 in production"),
            Update(SPOILT_VERSION, "golden accuracy 0.51, <u>0.79</u> in production", "rolled_back", "worse"),
            Update(5, phase="abandoned", reason="not better"),
            Update(6, phase="abandoned", reason="not better"),
            Update(7, phase="canary"),
        ],
        memory_bytes={"engines": 2**30, "proposer": 2**28, "backstage": 2**28},
        report=report,
    )
