"""Benchmark: from the trigger of the pipeline to a candidate through its gates, as the source grows.

The task is made from a part of the census file; the source is a Parquet file of all wanted rows, those of the task's
own among them, so that they are recognised. Beyond the rows that the census has, people are drawn anew with
replacement, as new people. Timed is the command, as whoever is triggered runs it, start of the process included.
"""

from __future__ import annotations

import resource
from collections.abc import Callable, Sequence
from pathlib import Path
from time import perf_counter
from typing import Any, NamedTuple

import pandas as pd
import psutil

from dissonance.adapters.clock import SystemClock
from dissonance.data import acs_employment_path
from dissonance.drills.census import NUMBERS, PERSON, TARGET
from dissonance.drills.children import run_command
from dissonance.drills.records import AtMost, Raw, Record, make_record
from dissonance.drills.system import RunningSystem
from dissonance.errors import GateRefused
from dissonance.ports.steps import StepName

ACS_ROWS = 277_677
SIZES = (10_000, 100_000, ACS_ROWS, 1_000_000)
LONGEST_S = 180.0
LIMIT_S = 3_600.0
TASK_SHARE = 4
"""One row in so many makes the task."""

SEED = 11

Say = Callable[[str], None]


class Cost(NamedTuple):
    """`seconds` from the command's start to its end, `until_verdict_s` to the gate's; `steps` in seconds;
    `memory_bytes`: the most that the command held. `answer`: what it printed."""

    rows: int
    seconds: float
    until_verdict_s: float
    steps: dict[str, float]
    memory_bytes: int
    create_s: float
    answer: dict[str, Any]


async def measure(folder: Path, sizes: Sequence[int], say: Say) -> list[Cost]:
    """Sizes in rising order, each with a task of its own on one system, without roles at work beside it."""
    folder.mkdir(parents=True, exist_ok=True)
    costs = []
    async with RunningSystem(folder / "data", folder / "logs", {}) as system:
        for rows in sizes:
            cost = await _measure_one(system, folder, rows)
            say(f"{rows:,} rows: verdict after {cost.until_verdict_s:.1f} s, {cost.memory_bytes / 1e9:.2f} GB")
            costs.append(cost)
    return costs


async def _measure_one(system: RunningSystem, folder: Path, rows: int) -> Cost:
    training, source = write_files(folder, rows)
    name = f"census-{rows}"
    begun = perf_counter()
    await system.command(
        *("task", "create", name, "--data", str(training), "--target", TARGET, "--subject", PERSON), limit_s=LIMIT_S
    )
    create_s = perf_counter() - begun
    begun = perf_counter()
    answer = await run_command(
        f"pipeline-{rows}",
        ("pipeline", "run", name, "--from", str(source), "--json"),
        {"data": str(system.data)},
        system.logs,
        LIMIT_S,
        codes=(0, GateRefused.exit_code),
    )
    seconds = perf_counter() - begun
    steps = {line["step"]: float(line["seconds"]) for line in answer["steps"]}
    after = sum(steps[name] for name in steps if name == StepName.ROLLOUT)
    # The most of any child that has ended: sizes rise, so it is of the latest.
    memory = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024
    return Cost(rows, seconds, seconds - after, steps, memory, create_s, answer)


def write_files(folder: Path, rows: int) -> tuple[Path, Path]:
    """The task's data file, and the source, which has its rows too."""
    people = _people(rows)
    first = people.iloc[::TASK_SHARE]
    rest = people.drop(first.index)
    columns = [name for name in people.columns if name not in (*NUMBERS, TARGET, PERSON)]
    rare = [rest[~rest[name].isin(first[name])].drop_duplicates(name) for name in columns]
    training, source = folder / f"task-{rows}.parquet", folder / f"source-{rows}.parquet"
    pd.concat([first, *rare]).drop_duplicates(PERSON).to_parquet(training)
    people.to_parquet(source)
    return training, source


def _people(rows: int) -> pd.DataFrame:
    frame = pd.read_parquet(acs_employment_path()).drop(columns="year")
    if rows < len(frame):
        frame = frame.sample(rows, random_state=SEED)
    elif rows > len(frame):
        frame = pd.concat([frame, frame.sample(rows - len(frame), replace=True, random_state=SEED)])
    return frame.assign(**{PERSON: [f"acs-{row}" for row in range(len(frame))]}).reset_index(drop=True)


def record_of(costs: Sequence[Cost]) -> Record:
    """The census's own size has a limit; the largest that was measured says what a row costs beyond."""
    raw: dict[str, Raw] = {
        "rows": [cost.rows for cost in costs],
        "until_verdict_s": [cost.until_verdict_s for cost in costs],
        "command_s": [cost.seconds for cost in costs],
        "memory_bytes": [cost.memory_bytes for cost in costs],
        "task_create_s": [cost.create_s for cost in costs],
        "verdicts": [_verdict(cost) for cost in costs],
    }
    for step in StepName:
        raw[f"{step.value}_s"] = [cost.steps.get(step.value) for cost in costs]
    if len(costs) > 1:
        largest, before = costs[-1], costs[-2]
        more = largest.rows - before.rows
        bytes_a_row = max(1.0, (largest.memory_bytes - before.memory_bytes) / more)
        left = psutil.virtual_memory().total - largest.memory_bytes
        raw["us_a_row_beyond"] = (largest.until_verdict_s - before.until_verdict_s) / more * 1e6
        raw["bytes_a_row_beyond"] = bytes_a_row
        raw["rows_that_would_fill_the_memory"] = int(largest.rows + left / bytes_a_row)
    acs = [cost.until_verdict_s for cost in costs if cost.rows == ACS_ROWS]
    limits = []
    if acs:
        raw["acs_until_verdict_s"] = acs[0]
        limits.append(AtMost("acs_until_verdict_s", LONGEST_S))
    return make_record(
        name="bench-pipeline",
        what="pipeline run from a Parquet file of census rows: seconds from the command to the gate's verdict, by rows",
        command="dissonance drill bench-pipeline " + " ".join(f"--rows {cost.rows}" for cost in costs),
        now_us=SystemClock().now_us(),
        raw=raw,
        limits=limits,
    )


def _verdict(cost: Cost) -> str:
    lines = {line["step"]: line["numbers"] for line in cost.answer["steps"]}
    return str(lines.get(StepName.GATE.value, {}).get("verdict", f"refused by {cost.answer['refused_by']}"))
