"""A task whose models went every way, with real models and doubles of all engines."""

from __future__ import annotations

import asyncio
import copy
from typing import Any, NamedTuple

import msgspec
import pytest

from dissonance.contracts.events import CANARY_ARM, PRODUCTION_ARM, CandidateRegistered
from dissonance.contracts.schema import Task
from dissonance.decisions.evidence.links import Broken
from dissonance.decisions.pairs import find_version
from dissonance.errors import GateRefused
from dissonance.pipeline.judging import judge
from dissonance.pipeline.promotion import promote
from dissonance.pipeline.retrain import retrain
from dissonance.pipeline.rollouts import Rollouts
from dissonance.pipeline.taking_back import rollback
from dissonance.pipeline.verifying import verify_decisions
from support.copies import made_once
from support.distributions import labelled_rows
from support.workshop import Workshop, add_experience, small_task

NAME = "small"
LIMITS = {"canary_share": 0.5, "canary_labels_min": 20, "canary_max_s": 10_000, "rollback_window_s": 5_000}
WHAT_HAPPENED = [
    "promoted",  # version 1, as the task was made
    "accepted",  # version 2
    "canary",
    "promoted",
    "rolled_back",  # by itself
    "refused",  # under a stricter policy
    "overridden",
    "promoted",
    "rolled_back",  # by hand, while it was watched
    "rolled_back",  # by hand, to version 2, while nothing was
]


class Decided(NamedTuple):
    work: Workshop
    task: Task

    def copied(self) -> Decided:
        """To tamper with."""
        work = self.work._replace(store=copy.deepcopy(self.work.store), anchors=copy.deepcopy(self.work.anchors))
        return Decided(work, self.task)

    def broken(self) -> Broken | None:
        return asyncio.run(verify_decisions(self.work, NAME)).broken


async def _paired(work: Workshop, task: Task, n: int, right: tuple[bool, bool], *, arm: str) -> None:
    """n labelled rows that version 2 answered, with version 1 in its shadow."""
    work.clock.advance(1.0)
    features, classes = labelled_rows(n, n)
    people = [f"{arm}-{number}" for number in range(n)]
    digests = (find_version(work.registry, task, 2).digest, find_version(work.registry, task, 1).digest)
    await add_experience(work, task, features, classes.tolist(), people, models=digests, right=right, arm=arm)
    work.clock.advance(1.0)


async def _set_policy(work: Workshop, task: Task, **values: Any) -> None:
    before = await work.store.policy(task.task_id)
    after = msgspec.structs.replace(before, version=before.version + 1, **values)
    await work.store.set_policy(task.task_id, after, reason="a test", by="a test")


async def tell(work: Workshop, task: Task) -> None:
    """What `WHAT_HAPPENED` says, after the first."""
    await _set_policy(work, task, **LIMITS)
    features, classes = labelled_rows(400, 9)
    await add_experience(work, task, features, classes.tolist(), [f"early-{number}" for number in range(400)])
    await retrain(work, NAME)
    work.clock.advance(1.0)
    found = find_version(work.registry, task, 2)
    candidate = CandidateRegistered(
        event_id="c" * 32,
        task_id=task.task_id,
        produced_at_us=0,
        producer="learner",
        version=2,
        model_digest=found.digest,
        parent_version=1,
        reason="labels",
        numbers={},
    )
    await judge(work, candidate)
    await _paired(work, task, 60, (True, False), arm=CANARY_ARM)
    await Rollouts(work).advance(task.task_id)
    await _paired(work, task, 400, (False, True), arm=PRODUCTION_ARM)
    await Rollouts(work).advance(task.task_id)
    await _set_policy(work, task, KL_eps=0.0)
    with pytest.raises(GateRefused):
        await promote(work, NAME, 2, by="ann")
    work.clock.advance(1.0)
    await promote(work, NAME, 2, by="ann", override="it is needed")
    work.clock.advance(1.0)
    await rollback(work, NAME, by="bob")
    work.clock.advance(1.0)
    await rollback(work, NAME, 2, by="bob", reason="it was right")


@made_once
def decided_task() -> Decided:
    made = Decided(*small_task())
    asyncio.run(tell(*made))
    return made
