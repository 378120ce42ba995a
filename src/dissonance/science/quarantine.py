"""Labels that came from somewhere, held against labels that nobody could choose: changed concept or poison?

Whoever poisons labels reaches those that pass through his hands; he does not reach the random check, whose inputs the
system draws itself and whose answers come from people it asks. A concept that changed is changed in both. So where a
batch is wrong more often than expected (`changed_slices`), the random check's labels of the same slice decide, by the
odds of what they show under either story (a likelihood ratio; Wald 1945). Where they are too few to say, the rows wait.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import NamedTuple

import numpy as np
from scipy.special import expit, logit

from dissonance.science.arrays import Mask, Matrix, Vector
from dissonance.science.changed_slices import find_wide_slice
from dissonance.science.evidence import fit_evidence
from dissonance.science.mixing import calibrated, fit_calibration
from dissonance.science.renewal import Believed
from dissonance.science.slices import CERTAIN, ChangedSlice, Checked, shifted

LEVEL = 0.1
"""Rather high, since rows that are held in vain cost little, and poison that is taught much."""
DOUBT = 0.05
"""Whoever labels errs: no single label is given less than this by either story, so that none decides alone."""
LOG_ODDS = float(np.log(3.0))
"""Odds of one story over the other from which it is believed."""
ENOUGH = 10
"""Labels of the random check in a slice which, if they do not speak for poison, let it pass."""
MOST_SLICES = 2
"""Of each question."""
DRAWS = 59
"""By chance, for a question's share of the level."""


class Story(StrEnum):
    CHANGED = "changed"  # the random check sees it too, or at least nothing against it: learn
    POISONED = "poisoned"  # the random check does not see it: keep out
    UNDECIDED = "undecided"  # the random check has too few labels there: wait


class Suspicion(NamedTuple):
    """`log_odds` of poison over a changed concept, given `trusted_rows` labels of the random check in the slice."""

    slice: ChangedSlice
    story: Story
    log_odds: float
    trusted_rows: int


class Quarantine(NamedTuple):
    """`held` (n,): rows of the batch that are not to be learnt from. No suspicion, none held."""

    suspicions: tuple[Suspicion, ...]
    held: Mask


def judge_batch(
    batch: Believed, trusted: Believed, *, category_sizes: Sequence[int], seed: int, level: float = LEVEL
) -> Quarantine:
    """`trusted`: labels of the random check of the same time, none of them in the batch; p of both is of models that
    have seen neither the batch nor the row. A clean batch has rows held with probability `level` at most, where p is
    true once the random check has calibrated it.

    Looked for are slices with more wrong answers than expected, and with more labels of a class: who labels a trigger
    need not contradict the model much.
    """
    n, k = batch.p.shape
    if len(trusted.classes):
        calibration = fit_calibration(trusted.p, trusted.classes)
        batch, trusted = (rows._replace(p=calibrated(rows.p, calibration)) for rows in (batch, trusted))
    held, left = np.zeros(n, dtype=np.bool_), np.ones(n, dtype=np.bool_)
    suspicions: list[Suspicion] = []
    for question in (None, *range(k)):
        asked, check = (_checked(rows, question) for rows in (batch, trusted))
        asked, check = _as_trusted(asked, check, category_sizes)
        for _ in range(MOST_SLICES):
            # Wide slices: only labels in them that contradict are held.
            found = find_wide_slice(
                asked.at(left), category_sizes=category_sizes, level=level / (k + 1), seed=seed, draws=DRAWS
            )
            if found is None:
                break
            inside = left & found.inside(batch.features)
            suspicion = _judge(found, asked.at(inside), check)
            suspicions.append(suspicion)
            left &= ~inside
            if suspicion.story is not Story.CHANGED:
                held |= inside
    return Quarantine(tuple(suspicions), held)


def _checked(rows: Believed, question: int | None) -> Checked:
    """Whether the model is wrong, or whether the label is a class, beside the probability of that."""
    if question is None:
        return Checked(rows.features, (rows.p.argmax(axis=1) != rows.classes) * 1.0, 1.0 - rows.p.max(axis=1))
    return Checked(rows.features, (rows.classes == question) * 1.0, rows.p[:, question])


def _as_trusted(batch: Checked, trusted: Checked, category_sizes: Sequence[int]) -> tuple[Checked, Checked]:
    """Both with the errors that are to be expected now that the random check's labels are known: where traffic moved, a
    model is more often wrong than it thinks, and whoever labels it well says so."""
    if not trusted.n:
        return batch, trusted
    evidence = fit_evidence(
        trusted.features, _distribution(trusted), trusted.wrong.astype(np.int64), category_sizes=category_sizes
    )
    now = [
        np.clip(rows.expected + evidence.correction(rows.features, _distribution(rows))[:, 1], CERTAIN, 1.0 - CERTAIN)
        for rows in (batch, trusted)
    ]
    return batch._replace(expected=now[0]), trusted._replace(expected=now[1])


def _distribution(rows: Checked) -> Matrix:
    return np.column_stack((1.0 - rows.expected, rows.expected))


def _judge(found: ChangedSlice, inside: Checked, trusted: Checked) -> Suspicion:
    here = trusted.at(found.inside(trusted.features))
    expected = np.clip(here.expected, DOUBT, 1.0 - DOUBT)
    moved = np.clip(expit(logit(expected) + _shift(inside)), DOUBT, 1.0 - DOUBT)
    log_odds = _log_likelihood(expected, here.wrong) - _log_likelihood(moved, here.wrong)
    if log_odds >= LOG_ODDS:
        story = Story.POISONED
    elif log_odds <= -LOG_ODDS or here.n >= ENOUGH:
        story = Story.CHANGED
    else:
        story = Story.UNDECIDED
    return Suspicion(found, story, log_odds, here.n)


def _shift(inside: Checked) -> float:
    """In log-odds: by how much the batch's labels of the slice are worse than expected."""
    now = shifted(inside.expected, inside.wrong, np.ones(inside.n))
    return float(logit(now[0]) - logit(np.clip(inside.expected[0], CERTAIN, 1.0 - CERTAIN)))


def _log_likelihood(expected: Vector, wrong: Vector) -> float:
    return float(np.log(np.where(wrong > 0.0, expected, 1.0 - expected)).sum())
