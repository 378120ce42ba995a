"""Which rows and labels an audit may count, and with which chance each label was to be known.

A row that was asked about and whose label has not come says nothing yet: it is neither right nor wrong. Rows are
therefore left out until they are *mature*, by a rule that knows no label. Where delay does not depend on the input,
waiting is not needed: the chance to have come by now is estimated from all delays (Kaplan and Meier 1958), and
multiplies the propensity (inverse probability of censoring weights; Robins and Rotnitzky 1992).
"""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

import numpy as np

from dissonance.errors import InputError
from dissonance.science.arrays import Mask, Vector

LEAST_ARRIVED = 0.5
"""Younger rows, of whose labels fewer have come, are left out: their weights would be too large."""


class Delay(StrEnum):
    """What is assumed of how long labels take."""

    ANY = "any"  # it may depend on the input and on the answer: only mature rows count
    INDEPENDENT = "independent"  # of input and answer: labels count as they come


class Unasked(StrEnum):
    """What is assumed of labels that nobody asked for."""

    LEFT_OUT = "left_out"  # nothing: they do not count
    AT_RANDOM = "at_random"  # who gives them looks neither at the input nor at the answer


class Asked(NamedTuple):
    """n rows in the order of `drawn_at_s`, the time (s) at which the draw decided whether to ask; `propensities` in
    (0, 1]: the chance to be asked at all, NaN where a row was not asked and its chance was not kept; `asked`: what came
    of the draw; `labelled_at_s`: NaN where no label came."""

    propensities: Vector
    asked: Mask
    drawn_at_s: Vector
    labelled_at_s: Vector

    def first(self, rows: int) -> Asked:
        return Asked(self.propensities[:rows], self.asked[:rows], self.drawn_at_s[:rows], self.labelled_at_s[:rows])


class Counted(NamedTuple):
    """(n,) each. `rows` count; of these the labels `known` count, each known with chance `chances` in (0, 1], NaN where
    it was not kept and the row was not asked about; `unanswered` were asked about and should have been answered by now.
    `in_order`: later looks only add rows."""

    rows: Mask
    known: Mask
    chances: Vector
    unanswered: Mask
    in_order: bool


def counted(
    labels: Asked,
    *,
    now_s: float,
    maturity_s: float,
    delay: Delay = Delay.ANY,
    unasked: Unasked = Unasked.LEFT_OUT,
    model_fixed_at_s: float = -np.inf,
) -> Counted:
    """`maturity_s`: how long a label may take. `model_fixed_at_s`: rows drawn before may have taught the model, and do
    not audit it; leave it out where model and beliefs are cross-fitted. Raises `InputError` for impossible labels.

    >>> drawn = Asked(np.full(3, 0.5), np.array([True, False, True]), np.array([0.0, 1.0, 9.0]), np.full(3, np.nan))
    >>> counted(drawn, now_s=10.0, maturity_s=5.0).rows.tolist()
    [True, True, False]
    """
    _check(labels, maturity_s)
    fixed = labels.drawn_at_s >= model_fixed_at_s
    came = labels.labelled_at_s <= now_s
    age = now_s - labels.drawn_at_s
    chances = labels.propensities
    if delay is Delay.ANY:
        rows = fixed & (age >= maturity_s)
        unanswered = rows & labels.asked & ~came
    else:
        arrived = arrival_chances(labels, now_s)
        rows = fixed & (arrived >= LEAST_ARRIVED)
        unanswered = np.zeros(len(rows), dtype=np.bool_)
        chances = np.where(rows, chances * arrived, chances)
    known = rows & labels.asked & came
    if unasked is Unasked.AT_RANDOM:
        given = rows & ~labels.asked & came
        if np.isnan(chances[given]).any():
            raise _impossible("chances that were not kept", "leave out labels that nobody asked for")
        nobody_asked = int((rows & ~labels.asked).sum())
        share = given.sum() / nobody_asked if nobody_asked else 0.0
        chances = 1.0 - (1.0 - chances) * (1.0 - share)
        known = known | given
    return Counted(rows, known, np.asarray(chances), unanswered, delay is Delay.ANY and unasked is Unasked.LEFT_OUT)


def arrival_chances(labels: Asked, now_s: float) -> Vector:
    """The chance, (n,), that the label of a row as old as this would have come by `now_s` had it been asked for:
    Kaplan and Meier's estimate over the rows asked about, for delays that do not depend on the input."""
    age = now_s - labels.drawn_at_s
    asked = labels.asked & (age >= 0.0)
    came = labels.labelled_at_s[asked] <= now_s
    waited = np.where(came, labels.labelled_at_s[asked] - labels.drawn_at_s[asked], age[asked])
    delays, counts = np.unique(waited[came], return_counts=True)
    waiting = len(waited) - np.searchsorted(np.sort(waited), delays, side="left")
    arrived = np.concatenate(([0.0], 1.0 - np.cumprod(1.0 - counts / waiting)))
    return np.asarray(arrived[np.searchsorted(delays, age, side="right")])


def _check(labels: Asked, maturity_s: float) -> None:
    n = len(labels.propensities)
    if any(len(column) != n for column in labels):
        raise _impossible("columns of different lengths", "give one entry a row")
    not_kept = np.isnan(labels.propensities) & ~labels.asked
    if not (((labels.propensities > 0.0) & (labels.propensities <= 1.0)) | not_kept).all():
        raise _impossible("a propensity outside (0, 1]", "give the chance of being asked at all; 0 has no weight")
    if not np.isfinite(labels.drawn_at_s).all() or (np.diff(labels.drawn_at_s) < 0.0).any():
        raise _impossible("times of drawing that are missing or out of order", "sort rows by the time of the draw")
    if (labels.labelled_at_s < labels.drawn_at_s).any():
        raise _impossible("a label older than its draw", "give both times on one clock")
    if not maturity_s >= 0.0:
        raise _impossible(f"a maturity of {maturity_s} s", "give 0 or more")


def _impossible(what: str, fix: str) -> InputError:
    return InputError(f"labels with {what} cannot be counted", where="counted_labels", fix=fix)
