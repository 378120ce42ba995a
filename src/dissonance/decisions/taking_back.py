"""What it means to take back what is in production, and how that is written down before anything moves (ADR 72). Pure.

Without a version it is what was promoted last that is taken back, once: repeated, by another person or after the gate
did it, nothing goes further back than that.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from dissonance.contracts.columns import derived_id
from dissonance.contracts.updates import RolloutPhase
from dissonance.ports.registry import ModelVersion
from dissonance.ports.rollouts import Rollout, step_cause

MOVED = frozenset({RolloutPhase.ARMED, RolloutPhase.SETTLED, RolloutPhase.ROLLED_BACK})
"""Phases of rollouts that put a version into production."""


class Hand(NamedTuple):
    """A person's word on a task, at event time `at_us`."""

    task_id: str
    at_us: int
    by: str
    reason: str


def what_to_put_back(rollouts: Sequence[Rollout], production: int, parent: int | None) -> int | None:
    """The version to go back to where none was named; None where nothing was there before. `rollouts`: newest first;
    `parent`: what the version in production was trained to replace.

    While a canary runs, and after it ended, by whomever, the version in production itself. A promotion counts from when
    it is saved, whether its alias has moved or not. What was taken back already stays so.
    """
    if rollouts and rollouts[0].phase in (RolloutPhase.CANARY, RolloutPhase.ABANDONED):
        return production
    last = next((each for each in rollouts if each.phase in MOVED), None)
    if last is not None and last.phase is not RolloutPhase.SETTLED:
        target = last.put_back[0]
        if production in (last.version, last.previous_version, target):
            return target
    replaced = (each.previous_version for each in rollouts if each.version == production)
    return next(replaced, parent)


def was_in_production(rollouts: Sequence[Rollout], version: int, production: ModelVersion) -> bool:
    """Whether it may be put back: what never was in production has to pass the gate."""
    return version in (production.version, production.parent) or any(
        version in (each.previous_version, each.put_back[0]) or (version == each.version and each.phase in MOVED)
        for each in rollouts
    )


def is_said(latest: Rollout | None, target: int, production: int) -> bool:
    """Whether the latest rollout says already that `target` goes back into production, its alias moved or not, or that
    a canary beside it ended."""
    if latest is None:
        return False
    if latest.phase is RolloutPhase.ABANDONED:
        return target == production
    known = (latest.version, latest.previous_version, target)
    return latest.phase is RolloutPhase.ROLLED_BACK and latest.put_back[0] == target and production in known


def taken_back(latest: Rollout | None, production: ModelVersion, target: ModelVersion, hand: Hand) -> Rollout | None:
    """The next revision to save on the way to `target` in production; None where no more is to be said.

    A canary ends first, then what is in production, or goes there by what was saved last. Two persons at once write
    revisions of the same id, of which the store takes one.
    """
    if latest is not None and latest.phase is RolloutPhase.CANARY:
        return _ended(latest, RolloutPhase.ABANDONED, hand, production)
    if latest is not None and latest.phase is RolloutPhase.ARMED:
        is_there = target.version == latest.version
        return None if is_there else _ended(latest, RolloutPhase.ROLLED_BACK, hand, target)
    version, digest = production.version, production.digest
    is_back = latest is not None and latest.phase is RolloutPhase.ROLLED_BACK
    if latest is not None and is_back and production.version in (latest.version, latest.previous_version):
        version, digest = latest.put_back
    if target.version == version:
        return None
    return Rollout(
        rollout_id=derived_id("taken_back", [hand.task_id, "" if latest is None else step_cause(latest)]),
        task_id=hand.task_id,
        version=version,
        model_digest=digest,
        previous_version=target.version,
        previous_digest=target.digest,
        phase=RolloutPhase.ROLLED_BACK,
        share=0.0,
        started_at_us=hand.at_us,
        phase_at_us=hand.at_us,
        by=hand.by,
        reason=hand.reason,
    )


def _ended(latest: Rollout, phase: RolloutPhase, hand: Hand, back: ModelVersion) -> Rollout:
    return msgspec.structs.replace(
        latest,
        phase=phase,
        phase_at_us=hand.at_us,
        by=hand.by,
        reason=hand.reason,
        revision=latest.revision + 1,
        back_to=back.version,
        back_digest=back.digest,
    )
