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
from dissonance.ports.rollouts import Rollout

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

    While a canary runs, or after a person ended one, the version in production itself. A promotion counts from when it
    is saved, whether its alias has moved or not. What was taken back already stays so.
    """
    if rollouts and _is_about_canary(rollouts[0], production):
        return production
    last = next((each for each in rollouts if each.phase in MOVED), None)
    if last is not None and last.phase is not RolloutPhase.SETTLED:
        target = last.put_back[0]
        if production in (last.version, last.previous_version, target):
            return target
    replaced = (each.previous_version for each in rollouts if each.version == production)
    return next(replaced, parent)


def is_said(latest: Rollout | None, target: int, production: int) -> bool:
    """Whether the latest rollout says already that `target` goes back into production, or that the canary beside it
    ended, its alias moved or not."""
    if latest is None or latest.put_back[0] != target:
        return False
    if latest.phase is RolloutPhase.ABANDONED:
        return latest.back_to == production
    return latest.phase is RolloutPhase.ROLLED_BACK and production in (latest.version, latest.previous_version, target)


def taken_back(latest: Rollout | None, production: ModelVersion, target: ModelVersion, hand: Hand) -> Rollout | None:
    """The next revision to save on the way to `target` in production; None where no more is to be said.

    A canary ends first, then what is in production. Two persons at once write revisions of the same id, of which the
    store takes one.
    """
    if latest is not None and latest.phase is RolloutPhase.CANARY:
        return _ended(latest, RolloutPhase.ABANDONED, hand, production)
    if latest is not None and latest.phase is RolloutPhase.ARMED:
        return _ended(latest, RolloutPhase.ROLLED_BACK, hand, target)
    if target.version == production.version or is_said(latest, target.version, production.version):
        return None
    since = "" if latest is None else f"{latest.rollout_id}-{latest.revision}"
    return Rollout(
        rollout_id=derived_id("taken_back", [hand.task_id, since]),
        task_id=hand.task_id,
        version=production.version,
        model_digest=production.digest,
        previous_version=target.version,
        previous_digest=target.digest,
        phase=RolloutPhase.ROLLED_BACK,
        share=0.0,
        started_at_us=hand.at_us,
        phase_at_us=hand.at_us,
        by=hand.by,
        reason=hand.reason,
    )


def _is_about_canary(latest: Rollout, production: int) -> bool:
    ended_by_hand = latest.phase is RolloutPhase.ABANDONED and latest.back_to == production
    return latest.phase is RolloutPhase.CANARY or ended_by_hand


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
