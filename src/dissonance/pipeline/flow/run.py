"""All steps, in order: the explicit list, and the plain loop over them."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from dissonance.contracts.schema import Task
from dissonance.contracts.times import to_text
from dissonance.decisions.updates.verdict import RULES
from dissonance.errors import InputError
from dissonance.pipeline.aliases import production_version
from dissonance.pipeline.flow import making, reading_in, sending
from dissonance.pipeline.flow.bench import Bench
from dissonance.pipeline.flow.records import Records
from dissonance.pipeline.flow.step import Step, require_accepted, run_step
from dissonance.pipeline.flow.work import Work
from dissonance.pipeline.workshop import Progress, no_progress
from dissonance.ports.steps import Done, RunRequest, StepDescription, StepName

STEPS: tuple[Step, ...] = (
    Step(StepName.INGEST, "read the rows of the source", (), reading_in.ingest_inputs, reading_in.ingest),
    Step(
        StepName.VALIDATE,
        "check every column against the task's schema, and measure the drift of the inputs",
        (StepName.INGEST,),
        reading_in.validate_inputs,
        reading_in.validate,
    ),
    Step(
        StepName.SNAPSHOT,
        "put all rows that are learnt from into one sealed file, named by what they hold",
        (StepName.VALIDATE,),
        reading_in.snapshot_inputs,
        reading_in.snapshot,
    ),
    Step(
        StepName.TRAIN,
        "fit proposer and critic on the snapshot, moved from the model in production",
        (StepName.SNAPSHOT,),
        making.train_inputs,
        making.train,
    ),
    Step(
        StepName.EVALUATE,
        "score candidate and incumbent on the golden holdout",
        (StepName.TRAIN,),
        making.evaluate_inputs,
        making.evaluate,
    ),
    Step(
        StepName.REGISTER,
        "register the signed, sealed pair as a candidate that answers nobody",
        (StepName.SNAPSHOT, StepName.TRAIN, StepName.EVALUATE),
        making.register_inputs,
        making.register,
    ),
    Step(StepName.GATE, "judge it by every rule", (StepName.REGISTER,), sending.gate_inputs, sending.gate),
    Step(
        StepName.ROLLOUT,
        "begin its canary, or promote it under watch",
        (StepName.GATE,),
        sending.rollout_inputs,
        sending.rollout,
    ),
)


FITS = "rows_fit_the_task"


def descriptions() -> list[StepDescription]:
    """As a scheduler sees the steps: rows must fit, and of the gate each rule is a check of its own."""
    checks = {StepName.VALIDATE: (FITS,), StepName.GATE: tuple(type(rule).__name__ for rule in RULES)}
    return [StepDescription(step.name, step.what, step.needs, checks.get(step.name, ())) for step in STEPS]


class Wish(NamedTuple):
    """What somebody asks for; see `RunRequest`. `as_of_us` None: now."""

    source: str = ""
    as_of_us: int | None = None
    seed: int = 0
    threads: int = 1
    drift_max: float | None = None
    cluster: str = ""
    reason: str = "asked for by hand"


async def request_of(bench: Bench, task: Task, wish: Wish) -> RunRequest:
    """Pinned: the time, and the version that is in production now. Raises `InputError` for a time to come, or before
    the task, whose reference rows say no time of their own."""
    now_us = bench.workshop.clock.now_us()
    as_of_us = now_us if wish.as_of_us is None else wish.as_of_us
    if not task.created_at_us <= as_of_us <= now_us:
        raise InputError(
            f"{to_text(as_of_us)} is not between the creation of the task and now",
            where="--as-of",
            fix=f"give a time from {to_text(task.created_at_us)} on: the reference rows say no time of their own",
        )
    return RunRequest(
        task_id=task.task_id,
        task_name=task.name,
        as_of_us=as_of_us,
        back_fill=wish.as_of_us is not None,
        incumbent=(await production_version(bench.workshop, task)).version,
        source=wish.source,
        seed=wish.seed,
        threads=wish.threads,
        drift_max=wish.drift_max,
        cluster=wish.cluster,
        reason=wish.reason,
    )


def records_of(bench: Bench, task: Task) -> Records:
    return Records(bench.files, bench.task_folder(task.task_id))


async def run_all(
    bench: Bench,
    task: Task,
    request: RunRequest,
    *,
    progress: Progress = no_progress,
    told: Callable[[Done], None] = lambda done: None,
) -> list[Done]:
    """Every step, each told as it is done. Raises `RowsRefused` or `GateRefused` where a step refuses, which is on
    record then, and what steps raise; the same request goes on where it was cut."""
    work = Work(bench, task, request, progress)
    finished = []
    for step in STEPS:
        done = await run_step(work, step)
        finished.append(done)
        told(done)
        require_accepted(done.record)
    return finished
