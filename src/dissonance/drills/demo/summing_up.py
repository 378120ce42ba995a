"""What the run amounts to: the account of every row, both models side by side, the labels used, what happened when."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from dissonance import __version__
from dissonance.contracts.schema import Task
from dissonance.contracts.times import to_us
from dissonance.contracts.topics import EventKind
from dissonance.contracts.window_api import WindowReply, WindowsReply
from dissonance.drills.demo.account import Rows, account, reasons_by_window
from dissonance.drills.demo.compare import compare, true_windows
from dissonance.drills.demo.follow import Happening
from dissonance.drills.demo.mischief import Mischief
from dissonance.drills.demo.progress import Progress
from dissonance.drills.demo.result import DemoResult, LabelsUsed, Notice, PolicyStep, StepTime
from dissonance.drills.demo.story import FALL, PERIODS, STREAM, Span, Story
from dissonance.drills.demo.stream import ROWS_PER_REQUEST
from dissonance.drills.demo.updates import updates_of
from dissonance.drills.records import describe_machine, find_commit

DAY_US = 86_400_000_000


class ReadsWindows(Protocol):
    async def windows(self, task: str) -> WindowsReply: ...


class Observed(NamedTuple):
    """What the walk saw. `managed`, `frozen`: the class each row was answered with, (n,)."""

    story: Story
    task: Task
    managed: npt.NDArray[np.int64]
    frozen: npt.NDArray[np.int64]
    acknowledged: list[str]
    asked: dict[str, int]
    happenings: list[Happening]
    mischief: Mischief
    requests: int
    retries: int


async def sum_up(
    system: Rows,
    client: ReadsWindows,
    seen: Observed,
    progress: Progress,
    *,
    steps: list[StepTime],
    started_at: str,
    memory_bytes: dict[str, int],
    seed: int,
) -> DemoResult:
    task_id, stream = seen.task.task_id, seen.story.stream
    policy = await system.store.policy(task_id)
    progress.windows = await windows_of(client, seen.task.name, STREAM)
    right = (seen.frozen == stream.labels, seen.managed == stream.labels)
    versions = await system.store.policy_history(task_id)
    return DemoResult(
        version=__version__,
        commit=find_commit(Path(__file__).parent),
        started_at=started_at,
        machine=describe_machine(),
        task=seen.task.name,
        rows=len(stream),
        seed=seed,
        training_rows=len(seen.story.train),
        training_group_quarters=int(seen.story.train.group_quarters.sum()),
        training_left_out=seen.story.thinned_away,
        stream_group_quarters=int(stream.group_quarters.sum()),
        steps=steps,
        seconds=progress.elapsed_s,
        stream_seconds=next(step.seconds for step in steps if step.name == "stream"),
        rows_per_request=ROWS_PER_REQUEST,
        policy=policy,
        policies=[
            PolicyStep(each.policy.version, each.by, each.reason, each.policy.lambda_in_force)
            for each in reversed(versions)
        ],
        accounting=await account(
            system, task_id, seen.acknowledged, progress, requests=seen.requests, retries=seen.retries
        ),
        windows=progress.windows,
        truth=true_windows(policy.window_s * 1_000_000, stream.times_us, *right),
        reasons=await reasons_by_window(system, task_id, STREAM, policy),
        happenings=seen.happenings,
        harm=notice(seen.happenings),
        labels=LabelsUsed(
            asked=seen.asked,
            budget=policy.label_budget_per_day * -(-STREAM.length_us // DAY_US),
            rows=len(stream),
        ),
        compared=compare(PERIODS, stream.times_us, *right),
        mischief=seen.mischief,
        updates=updates_of(await system.store.updates(task_id), await system.store.rollouts(task_id)),
        memory_bytes=memory_bytes,
    )


def notice(happenings: list[Happening]) -> Notice | None:
    """The first time that harm was noticed after the stretch began."""
    for each in happenings:
        if each.kind == EventKind.HARM_ESTIMATED and each.event_time_us >= FALL.start_us:
            return Notice(
                stretch_start_us=FALL.start_us,
                noticed_us=each.event_time_us,
                labels_of_window=round(each.numbers["labels_of_window"]),
                estimated_accuracy=each.numbers["estimated_accuracy"],
                reference_accuracy=each.numbers["reference_accuracy"],
            )
    return None


async def windows_of(client: ReadsWindows, task: str, span: Span) -> list[WindowReply]:
    """Windows that touch `span`, in order of event time."""
    listed = (await client.windows(task)).windows
    inside = [w for w in listed if to_us(w.end, "end") > span.start_us and to_us(w.start, "start") < span.end_us]
    return sorted(inside, key=lambda window: window.start)
