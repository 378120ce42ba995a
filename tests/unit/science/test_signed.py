"""Belief against evidence: fresh labels that contradict a slice correct old rows, and cost nothing where they agree."""

from __future__ import annotations

import numpy as np
import pytest

from dissonance.science.metrics import log_loss
from dissonance.science.proposer import fit_lightgbm
from dissonance.science.renewal import Believed
from dissonance.science.signed import LEAST_FRESH, SignedFit
from support.distributions import CATEGORY_SIZES, labelled_rows


def world(classes: int, *, changed: bool) -> tuple[Believed, Believed, Believed]:
    """Old rows, fresh ones and later ones; in one category the classes of the latter two are the other way round."""
    features, target = labelled_rows(2400, 3, classes)
    old_rows = 1200
    is_new = np.arange(2400) >= old_rows
    if changed:
        target = np.where(is_new & (features[:, 2] == 1.0), classes - 1 - target, target)
    model = fit_lightgbm(
        features[:800], target[:800], category_sizes=CATEGORY_SIZES, classes_count=classes, seed=1, threads=1, rounds=40
    )
    every = Believed(features, target, model.probabilities(features))
    place = np.arange(2400)
    return every.at(~is_new), every.at(is_new & (place < old_rows + 200)), every.at(place >= old_rows + 200)


def losses(classes: int, *, changed: bool) -> tuple[float, float]:
    """Of retraining on all rows alike, and with the signed correction; on later rows."""
    old, fresh, later = world(classes, changed=changed)
    both = old.and_then(fresh)
    alike = fit_lightgbm(
        both.features, both.classes, category_sizes=CATEGORY_SIZES, classes_count=classes, seed=1, threads=1
    )
    signed = SignedFit(CATEGORY_SIZES, classes, seed=1)(old, fresh)
    return tuple(log_loss(model.probabilities(later.features), later.classes) for model in (alike, signed))  # type: ignore[return-value]


@pytest.mark.parametrize("classes", [2, 3])
def test_a_changed_concept_is_learnt_faster_than_by_retraining(classes: int) -> None:
    alike, signed = losses(classes, changed=True)
    assert signed < alike - 0.02


@pytest.mark.parametrize("classes", [2, 3])
def test_where_the_concept_stands_still_little_is_lost(classes: int) -> None:
    alike, signed = losses(classes, changed=False)
    assert signed < alike + 0.01


def test_few_fresh_rows_are_taught_alike() -> None:
    old, fresh, _ = world(2, changed=True)
    few = fresh.at(np.arange(len(fresh.classes)) < LEAST_FRESH - 1)
    both = old.and_then(few)
    fit = SignedFit(CATEGORY_SIZES, 2, seed=1)
    alike = fit_lightgbm(both.features, both.classes, category_sizes=CATEGORY_SIZES, classes_count=2, seed=1, threads=1)
    assert fit(old, few).text == alike.text


def test_what_was_found_on_all_rows_is_used_on_parts_of_them() -> None:
    old, fresh, _ = world(2, changed=True)
    fit = SignedFit(CATEGORY_SIZES, 2, seed=1)
    whole = fit(old, fresh)
    few = fresh.at(np.arange(len(fresh.classes)) < 20)
    part = fit.like(whole)(old, few)
    assert [each.trees for each in part.components] == [each.trees for each in whole.components]
    assert len(fit.like(fit(old, few)).rounds) == 1
