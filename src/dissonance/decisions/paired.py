"""What labelled pairs say of two models, whether or not their labels were asked for with equal chances. Pure."""

from __future__ import annotations

import numpy as np

from dissonance.ports.rollouts import PairedCounts
from dissonance.science.betting import paired_sequence, surely_above
from dissonance.science.one_look import score_above
from dissonance.science.proportions import Interval
from dissonance.science.weighed_betting import (
    WeighedPairs,
    effective_counts,
    weighed_sequence,
    weighed_surely_above,
)


def surely_better(paired: PairedCounts, mean: float) -> bool:
    """The new model's accuracy less the old one's is surely above `mean`, looked at ever so often."""
    if paired.weighed:
        return weighed_surely_above(_pairs(paired), mean)
    return surely_above(paired.only_model, paired.only_shadow, paired.rows, mean)


def surely_worse(paired: PairedCounts) -> bool:
    if paired.weighed:
        return weighed_surely_above(_pairs(paired).mirrored, 0.0)
    return surely_above(paired.only_shadow, paired.only_model, paired.rows, 0.0)


def difference(paired: PairedCounts) -> float:
    """Of at least one pair."""
    return _pairs(paired).mean if paired.weighed else (paired.only_model - paired.only_shadow) / paired.rows


def score(paired: PairedCounts, margin: float) -> float:
    """Standard errors above -`margin`, at one look (`science.one_look`)."""
    if paired.weighed:
        return score_above(*effective_counts(_pairs(paired)), margin)
    return score_above(paired.only_model, paired.only_shadow, paired.rows, margin)


def interval(paired: PairedCounts) -> Interval:
    """95 %, at any time."""
    if paired.weighed:
        return weighed_sequence(_pairs(paired))
    return paired_sequence(paired.only_model, paired.only_shadow, paired.rows)


def _pairs(paired: PairedCounts) -> WeighedPairs:
    columns = np.array([[each.weight, each.gained, each.lost, each.same] for each in paired.weighed], dtype=np.float64)
    return WeighedPairs(*columns.T)
