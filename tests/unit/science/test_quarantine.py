"""A batch of labels against the random check: poison is only in the batch, a changed concept is in both."""

from __future__ import annotations

import numpy as np

from dissonance.science.quarantine import Story, judge_batch
from dissonance.science.renewal import Believed
from support.distributions import CATEGORY_SIZES, labelled_rows


def labelled(n: int, seed: int, *, flipped: float = 0.0) -> Believed:
    """A model that is right with probability 0.9; in one category so many of the labels are the other class."""
    draw = np.random.default_rng(seed)
    features, _ = labelled_rows(n, seed)
    yes = np.where(draw.random(n) < 0.5, 0.9, 0.1)
    classes = (draw.random(n) < yes).astype(np.int64)
    hit = (features[:, 2] == 1.0) & (draw.random(n) < flipped)
    return Believed(features, np.where(hit, 1 - classes, classes), np.column_stack((1.0 - yes, yes)))


def judged(batch: Believed, trusted: Believed):  # type: ignore[no-untyped-def]
    return judge_batch(batch, trusted, category_sizes=CATEGORY_SIZES, seed=1)


def test_what_the_random_check_does_not_see_is_poison_and_held() -> None:
    batch = labelled(500, 1, flipped=0.5)
    found = judged(batch, labelled(200, 2))
    assert found.suspicions[0].story is Story.POISONED
    inside = batch.features[:, 2] == 1.0
    assert found.held[inside].mean() > 0.9
    assert found.held[~inside].mean() < 0.1


def test_what_the_random_check_sees_too_is_a_changed_concept_and_taught() -> None:
    found = judged(labelled(500, 1, flipped=0.5), labelled(200, 2, flipped=0.5))
    assert Story.POISONED not in [each.story for each in found.suspicions]
    assert found.held.mean() < 0.1


def test_a_trigger_that_is_always_labelled_alike_is_held_though_the_model_often_agrees() -> None:
    batch = labelled(500, 1)
    hit = np.random.default_rng(77).random(500) < 0.1
    features = batch.features.copy()
    features[hit, 0] = 4.0
    found = judged(batch._replace(features=features, classes=np.where(hit, 1, batch.classes)), labelled(200, 2))
    assert found.held[hit].mean() > 0.9
    assert found.held[~hit].mean() < 0.05


def test_what_the_random_check_never_looked_at_waits() -> None:
    trusted = labelled(200, 2)
    elsewhere = trusted.at(trusted.features[:, 2] != 1.0)
    found = judged(labelled(500, 1, flipped=0.5), elsewhere)
    assert found.suspicions[0].story is Story.UNDECIDED
    assert found.suspicions[0].trusted_rows == 0
    assert found.held.mean() > 0.15


def test_without_a_random_check_whatever_stands_out_waits() -> None:
    nothing = labelled(200, 2).at(np.zeros(200, dtype=np.bool_))
    assert {each.story for each in judged(labelled(500, 1, flipped=0.5), nothing).suspicions} == {Story.UNDECIDED}


def test_a_model_that_is_more_often_wrong_everywhere_is_no_poison() -> None:
    sure = np.array([[0.98, 0.02], [0.02, 0.98]])
    worse = [rows._replace(p=sure[(rows.p[:, 1] > 0.5) * 1]) for rows in (labelled(500, 1), labelled(200, 2))]
    assert judged(*worse).held.mean() == 0.0


def test_clean_batches_have_rows_held_as_seldom_as_the_level_says() -> None:
    held = sum(judged(labelled(200, seed), labelled(100, seed + 50)).held.any() for seed in range(12))
    assert held <= 3  # binomial (12, 0.05) is above it with probability 0.002
