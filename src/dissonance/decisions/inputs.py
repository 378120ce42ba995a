"""May this input be learnt from? One class per rule; the first rule that blocks gives the reason.

Pure: the same rows, spent budget and policy give the same verdicts (design section 4, replay).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from dissonance.contracts.policy import Policy
from dissonance.contracts.times import HOUR_US
from dissonance.contracts.verdicts import Reason, Verdict

Mask = NDArray[np.bool_]


class InputRows(NamedTuple):
    """What the rules look at, n rows: each array has shape (n,).

    `dissonances` in [0, 1]; `erased`: the data subject's key is gone; `fits_schema`: the row has the schema's
    width; `out_of_range`: some number lies outside the reference data; `event_times_us`: microseconds.
    """

    dissonances: NDArray[np.float64]
    erased: Mask
    fits_schema: Mask
    out_of_range: Mask
    event_times_us: NDArray[np.int64]


class InputRule(Protocol):
    reason: ClassVar[Reason]

    def blocks(self, rows: InputRows, policy: Policy) -> Mask:
        """True where the row must not be learnt from, shape (n,)."""
        ...


class ErasedRule:
    """A row of an erased data subject holds nothing to learn from."""

    reason: ClassVar[Reason] = Reason.ERASED

    def blocks(self, rows: InputRows, policy: Policy) -> Mask:
        return rows.erased


class SchemaRule:
    """A row that was taken under another schema than the task's cannot be compared with it."""

    reason: ClassVar[Reason] = Reason.SCHEMA

    def blocks(self, rows: InputRows, policy: Policy) -> Mask:
        return ~rows.fits_schema


class RangeRule:
    """Trees do not extrapolate: a number outside the reference range is answered, not learnt from."""

    reason: ClassVar[Reason] = Reason.RANGE

    def blocks(self, rows: InputRows, policy: Policy) -> Mask:
        return rows.out_of_range


class DissonanceRule:
    """Proposer and critic are too far apart to trust what the row would teach."""

    reason: ClassVar[Reason] = Reason.DISSONANCE

    def blocks(self, rows: InputRows, policy: Policy) -> Mask:
        return np.asarray(rows.dissonances > policy.max_dissonance)


RULES: tuple[InputRule, ...] = (ErasedRule(), SchemaRule(), RangeRule(), DissonanceRule())


def hours_of(event_times_us: Sequence[int]) -> list[int]:
    """The hour of event time of each row, counted since 1970."""
    return [time_us // HOUR_US for time_us in event_times_us]


def judge_inputs(rows: InputRows, policy: Policy, spent: Mapping[int, int]) -> tuple[list[Verdict], list[Reason]]:
    """Verdict and reason of every row, in order.

    `spent`: rows already admitted under the budget, by hour of event time. A row whose dissonance is above
    `D_target` needs budget of its hour (`d_budget_per_hour`), first come first served.
    """
    reasons: list[Reason | None] = [None] * len(rows.dissonances)
    for rule in RULES:
        for position in np.flatnonzero(rule.blocks(rows, policy)):
            reasons[position] = reasons[position] or rule.reason
    left: dict[int, int] = {}
    final: list[Reason] = []
    hours = hours_of(rows.event_times_us.tolist())
    for reason, dissonance, hour in zip(reasons, rows.dissonances.tolist(), hours, strict=True):
        if reason is None:
            reason = Reason.AGREED if dissonance <= policy.D_target else _spend(left, hour, policy, spent)
        final.append(reason)
    return [verdict_of(reason) for reason in final], final


def _spend(left: dict[int, int], hour: int, policy: Policy, spent: Mapping[int, int]) -> Reason:
    remaining = left.setdefault(hour, policy.d_budget_per_hour - spent.get(hour, 0))
    if remaining <= 0:
        return Reason.BUDGET
    left[hour] = remaining - 1
    return Reason.WITHIN_BUDGET


def verdict_of(reason: Reason) -> Verdict:
    """
    >>> verdict_of(Reason.RANGE)
    <Verdict.BLOCKED: 'blocked'>
    """
    return Verdict.ADMITTED if reason in (Reason.AGREED, Reason.WITHIN_BUDGET) else Verdict.BLOCKED
