"""A step: what its inputs are, and what it makes of them; done once for the same inputs, whoever asks for it.
A step is done when its record is there, which is written last; killed before, it is done again from its start. What
it made before is found by content (snapshot, candidate) or in the registry, and not made twice.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import NamedTuple

from dissonance.errors import GateRefused, PipelineBusy, RowsRefused, TaskExists
from dissonance.pipeline.flow.work import Inputs, Work
from dissonance.ports.steps import Done, Number, StepName, StepRecord
from dissonance.telemetry.logs import log
from dissonance.telemetry.names import LogAction

_logger = logging.getLogger(__name__)


class Made(NamedTuple):
    """See `StepRecord`. `lasting`: False where another try may end otherwise; then nothing is recorded. `reused`,
    `passed_over`: see `Done`."""

    digest: str
    numbers: dict[str, Number]
    findings: tuple[str, ...] = ()
    accepted: bool = True
    lasting: bool = True
    reused: bool = False
    passed_over: bool = False


class Step(NamedTuple):
    """`what`: one sentence for people. `needs`: the steps whose records it looks at."""

    name: StepName
    what: str
    needs: tuple[StepName, ...]
    inputs: Callable[[Work], Awaitable[Inputs]]
    make: Callable[[Work], Awaitable[Made]]


async def run_step(work: Work, step: Step) -> Done:
    """Raises `PipelineBusy` while another process works on the task, and what the step raises; a refusal is no error:
    see `require_accepted`."""
    async with claimed(work):
        return await _run(work, step)


async def _run(work: Work, step: Step) -> Done:
    run = work.records.run(work.request)
    for need in step.needs:
        if need not in work.done:
            work.done[need] = _earlier(work, need, run.steps.get(need, ""))
        require_accepted(work.done[need])
    key = work.key_of(step.name, await step.inputs(work))
    record = work.records.find(step.name, key)
    reused, passed_over = record is not None, False
    if record is None:
        made = await step.make(work)
        record = StepRecord(
            step=step.name,
            key=key,
            digest=made.digest,
            numbers=made.numbers,
            findings=made.findings,
            accepted=made.accepted,
            finished_at_us=work.workshop.clock.now_us(),
            task_id=work.task.task_id,
        )
        reused, passed_over = made.reused, made.passed_over
        if made.lasting:
            work.records.keep(record)
    work.done[step.name] = record
    work.records.keep_run(run.with_step(step.name, key))
    done = Done(record, reused, passed_over)
    log(_logger, LogAction.PIPELINE_STEP, task=work.task.name, step=step.name.value, state=done.state)
    return done


def _earlier(work: Work, step: StepName, key: str) -> StepRecord:
    record = work.records.find(step, key)
    if record is None:
        raise PipelineBusy(
            f"the step {step.value} of this run is not done", where=step.value, fix="run the pipeline from its start"
        )
    return record


def require_accepted(record: StepRecord) -> None:
    """Raises `RowsRefused` for rows that failed their checks, `GateRefused` for a candidate."""
    if record.accepted:
        return
    kind = RowsRefused if record.step is StepName.VALIDATE else GateRefused
    raise kind("; ".join(record.findings), where=record.step.value, fix=FIXES[kind])


FIXES: dict[type[RowsRefused] | type[GateRefused], str] = {
    RowsRefused: "mend the rows as each finding says, and run it again",
    GateRefused: "keep the model in production, run it again with more labels, or say why the candidate goes live all "
    'the same: dissonance models promote TASK --version N --override "REASON"',
}


@asynccontextmanager
async def claimed(work: Work) -> AsyncIterator[None]:
    """One process at a time works on a task's run; the claim ends with the process, however that ends."""
    async with AsyncExitStack() as held:
        try:
            await held.enter_async_context(work.workshop.store.claim(f"pipeline of {work.task.task_id}"))
        except TaskExists as error:
            raise PipelineBusy(
                "another process runs the pipeline of this task", where=work.task.name, fix="wait until it is done"
            ) from error
        yield
