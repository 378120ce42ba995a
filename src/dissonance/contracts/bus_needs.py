"""What each part of the system does on the bus: all that it may do there follows from it (ADR 56).

Beside the roles stands `roles`, for a process that runs several of them, with the needs of all. A test holds the list
to the manifests.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from dissonance.contracts.consumers import CONSUMERS
from dissonance.contracts.standings import SERVING
from dissonance.contracts.topics import EventKind

CHANGES = (
    EventKind.MODEL_PROMOTED,
    EventKind.MODEL_ROLLED_BACK,
    EventKind.ROLLOUT_CHANGED,
    EventKind.POLICY_CHANGED,
    EventKind.TASK_DELETED,
)
"""What every role watches, to know which model and policy are in force."""

WATCHED = (*CHANGES, EventKind.CREDENTIALS_CHANGED)
"""All that every role watches: also whose credentials count no more."""

SEVERAL = "roles"


class BusNeeds(NamedTuple):
    """`consumers`: its durable consumers, of `CONSUMERS`. `watches`: besides `WATCHED`. `reads_back`: kinds of which it
    reads single events that it published. `asks`, `answers`: questions. `looks_at_all`: how far every consumer is, and
    dead letters."""

    publishes: tuple[EventKind, ...]
    consumers: tuple[str, ...] = ()
    watches: tuple[EventKind, ...] = ()
    reads_back: tuple[EventKind, ...] = ()
    asks: tuple[str, ...] = ()
    answers: tuple[str, ...] = ()
    looks_at_all: bool = False


def consumers_of(role: str) -> tuple[str, ...]:
    """
    >>> consumers_of("gate")
    ('gate', 'gate-updates', 'gate-rollouts')
    """
    return tuple(name for name in CONSUMERS if name == role or name.startswith(f"{role}-"))


def _of(role: str, publishes: tuple[EventKind, ...]) -> BusNeeds:
    return BusNeeds(publishes, consumers_of(role))


def _together(parts: Iterable[BusNeeds]) -> BusNeeds:
    """What any of them needs."""
    whole = BusNeeds(())
    for part in parts:
        whole = BusNeeds(
            publishes=(*whole.publishes, *part.publishes),
            consumers=(*whole.consumers, *part.consumers),
            watches=(*whole.watches, *part.watches),
            reads_back=(*whole.reads_back, *part.reads_back),
            asks=(*whole.asks, *part.asks),
            answers=(*whole.answers, *part.answers),
            looks_at_all=whole.looks_at_all or part.looks_at_all,
        )
    return whole


ROLE_NEEDS: Mapping[str, BusNeeds] = {
    "proposer": _of("proposer", (EventKind.PREDICTED, EventKind.ANSWER_KEPT))._replace(
        watches=(EventKind.EXPERIENCED,), reads_back=(EventKind.ANSWER_KEPT,), answers=(SERVING,)
    ),
    "critic": _of("critic", (EventKind.CONTRADICTED,)),
    "gate": _of(
        "gate",
        (
            EventKind.JUDGED,
            EventKind.UPDATE_JUDGED,
            EventKind.ROLLOUT_CHANGED,
            EventKind.MODEL_PROMOTED,
            EventKind.MODEL_ROLLED_BACK,
            EventKind.INCIDENT_RAISED,
        ),
    )._replace(asks=(SERVING,)),
    "learner": _of(
        "learner",
        (EventKind.EXPERIENCED, EventKind.LABELLED, EventKind.LABELS_JOINED, EventKind.CANDIDATE_REGISTERED),
    ),
    "evaluator": _of("evaluator", (EventKind.WINDOW_EVALUATED, EventKind.HARM_ESTIMATED, EventKind.RETRAIN_REQUESTED)),
    "meta": _of("meta", (EventKind.POLICY_CHANGED,)),
    "auditor": _of("auditor", (EventKind.FINDING_RAISED, EventKind.FINDING_RESOLVED))._replace(looks_at_all=True),
}

NEEDS: Mapping[str, BusNeeds] = {**ROLE_NEEDS, SEVERAL: _together(ROLE_NEEDS.values())}
"""By the name under which a process is known to the broker."""


def known_as(roles: Iterable[str]) -> str:
    """The name of a process with these roles.

    >>> known_as(["critic"]), known_as(["critic", "gate"])
    ('critic', 'roles')
    """
    names = list(roles)
    return names[0] if len(names) == 1 else SEVERAL
