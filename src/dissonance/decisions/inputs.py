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

Source = tuple[bytes, int]
"""A data subject and an hour of event time."""


class InputRows(NamedTuple):
    """What the rules look at, n rows: each array has shape (n,).

    `dissonances`, `doubts` in [0, 1]; `erased`: the data subject's key is gone; `fits_schema`: the row has the
    schema's width; `widths_outside`: how far the farthest number lies outside the reference data, in widths of its
    range; `rows_before`: rows of the same data subject in the same hour of event time that came before this one (0
    where rows are about nobody in particular); `event_times_us`: microseconds.
    """

    dissonances: NDArray[np.float64]
    doubts: NDArray[np.float64]
    erased: Mask
    fits_schema: Mask
    widths_outside: NDArray[np.float64]
    rows_before: NDArray[np.int64]
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


class OutlierRule:
    """A number far outside the reference range is suspected poison: somebody may be trying what the model does with
    it."""

    reason: ClassVar[Reason] = Reason.OUTLIER

    def blocks(self, rows: InputRows, policy: Policy) -> Mask:
        return np.asarray(rows.widths_outside > policy.outlier_ranges)


class BurstRule:
    """More rows of one data subject in an hour than anybody has are suspected poison: one source must not teach
    most."""

    reason: ClassVar[Reason] = Reason.BURST

    def blocks(self, rows: InputRows, policy: Policy) -> Mask:
        return np.asarray(rows.rows_before >= policy.source_rows_per_hour)


class RangeRule:
    """Trees do not extrapolate: a number outside the reference range is answered, not learnt from."""

    reason: ClassVar[Reason] = Reason.RANGE

    def blocks(self, rows: InputRows, policy: Policy) -> Mask:
        return np.asarray(rows.widths_outside > 0.0)


class DissonanceRule:
    """Proposer and critic are too far apart to trust what the row would teach."""

    reason: ClassVar[Reason] = Reason.DISSONANCE

    def blocks(self, rows: InputRows, policy: Policy) -> Mask:
        return np.asarray(rows.dissonances > policy.max_dissonance)


class DoubtRule:
    """The critic is nearly sure that the answer is wrong, and so would be what is learnt around it."""

    reason: ClassVar[Reason] = Reason.DOUBT

    def blocks(self, rows: InputRows, policy: Policy) -> Mask:
        return np.asarray(rows.doubts > policy.max_doubt)


RULES: tuple[InputRule, ...] = (
    ErasedRule(),
    SchemaRule(),
    OutlierRule(),
    RangeRule(),
    BurstRule(),
    DissonanceRule(),
    DoubtRule(),
)


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


def counted_before(data_subjects: Sequence[bytes], hours: Sequence[int], stored: Mapping[Source, int]) -> list[int]:
    """`InputRows.rows_before` of rows in order: those stored already, and those earlier in the same batch.

    >>> counted_before([b"a", b"a", b"b"], [0, 0, 0], {(b"a", 0): 5})
    [5, 6, 0]
    """
    seen: dict[Source, int] = dict(stored)
    before = []
    for source in zip(data_subjects, hours, strict=True):
        before.append(seen.get(source, 0))
        seen[source] = before[-1] + 1
    return before


def verdict_of(reason: Reason) -> Verdict:
    """
    >>> verdict_of(Reason.RANGE)
    <Verdict.BLOCKED: 'blocked'>
    """
    return Verdict.ADMITTED if reason in (Reason.AGREED, Reason.WITHIN_BUDGET) else Verdict.BLOCKED
