"""What every protocol does between its own reading and its own writing."""

from __future__ import annotations

from typing import NamedTuple

from dissonance.errors import VersionNotServed
from dissonance.roles.arrivals import Arrivals
from dissonance.roles.catalogue import TaskContext
from dissonance.roles.proposer.ask import Answered, Ask, IdempotencyKey
from dissonance.roles.proposer.decide import answers, falls_on_canary
from dissonance.roles.proposer.handle import Proposer
from dissonance.roles.role import Workplace
from dissonance.roles.serving import Arms, Serving


class Answer(NamedTuple):
    """n rows, recorded. `classes`: index of each row's class in the task's order; `serving`: the pair that answered."""

    answered: Answered
    classes: list[int]
    serving: Serving


async def answer_rows(
    place: Workplace, proposer: Proposer, context: TaskContext, arrivals: Arrivals, key: IdempotencyKey | None
) -> Answer:
    """Raises what `Proposer.answer` raises."""
    answered = await proposer.answer(Ask(context, *arrivals, key))
    serving = await place.catalogue.serving(context.task, answered.model_digest)
    return Answer(answered, answers(answered.probabilities.tolist()), serving)


def versions_of(arms: Arms) -> list[str]:
    """Those that answer now: production, and an update on its canary."""
    return [str(serving.version) for serving in (arms.production, arms.other if arms.share else None) if serving]


def require_served(arms: Arms, task: str, version: str) -> None:
    """Raises `VersionNotServed` unless some requests are answered by this version now. "" is any."""
    if version and version not in versions_of(arms):
        raise not_served(task, version, " and ".join(versions_of(arms)))


def require_answers(arms: Arms, context: TaskContext, version: str, arrivals: Arrivals) -> None:
    """Raises `VersionNotServed` unless these rows would be answered by this version now. "" is any.

    Without data subjects nobody can tell beforehand whom a canary falls on: then no version can be asked for.
    """
    require_served(arms, context.task.name, version)
    if not version or arms.other is None or not arms.share:
        return
    if context.task.data_subject_column is None:
        raise not_served(context.task.name, version, "as it falls " + " or ".join(versions_of(arms)))
    other = falls_on_canary(arrivals.data_subjects[0], arms.share)
    require_same(context.task.name, version, arms.other if other else arms.production)


def require_same(task: str, version: str, serving: Serving) -> None:
    """Raises `VersionNotServed` when another version answers. "" is any."""
    if version and version != str(serving.version):
        raise not_served(task, version, str(serving.version))


def not_served(task: str, version: str, serves: str) -> VersionNotServed:
    return VersionNotServed(
        f"version '{version[:20]}' of '{task}' does not answer this; version {serves} does",
        where="version",
        fix="leave the version out, and read which one answered in the reply",
    )
