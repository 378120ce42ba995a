"""The worst case: holds where its assumption does, is far lower where the window is unlike the source."""

from __future__ import annotations

import numpy as np
import pytest

from dissonance.science.disagreement import worst_case
from dissonance.science.sceptic import Labelled


def rows(count: int, seed: int, classes: int = 2) -> Labelled:
    """A linear truth, and a proposer that knows it but for a tenth of the labels, which are noise."""
    generator = np.random.default_rng(seed)
    features = generator.normal(size=(count, 3))
    scores = np.column_stack((features[:, 0], -features[:, 0], *[features[:, 2]] * (classes - 2)))
    p = np.exp(2.0 * scores) / np.exp(2.0 * scores).sum(axis=1, keepdims=True)
    noise = generator.uniform(size=count) < 0.1
    labels = np.where(noise, generator.integers(0, classes, size=count), p.argmax(axis=1))
    return Labelled(features, p, labels)


@pytest.mark.parametrize("classes", [2, 4])
def test_without_shift_the_bound_lies_below_the_accuracy_and_near_it(classes: int) -> None:
    source, window = rows(2000, 1, classes=classes), rows(1500, 2, classes=classes)
    found = worst_case(source, window.features, window.p, category_sizes=(0, 0, 0), seed=1)
    truth = window.right.mean()
    assert truth - 0.15 < found.accuracy < truth


def test_a_window_of_a_kind_that_the_source_never_had_is_doubted_more() -> None:
    source, near, far = rows(2000, 1), rows(1500, 2), rows(1500, 3)
    for side, kind in ((source, 0.0), (near, 0.0), (far, 1.0)):
        side.features[:, 1] = kind
    bounds = [worst_case(source, window.features, window.p, category_sizes=(0, 2, 0), seed=1) for window in (near, far)]
    assert bounds[1].accuracy < bounds[0].accuracy - 0.02
    assert bounds[1].window_disagreement > bounds[1].source_disagreement + 0.02


def test_chance_shrinks_with_rows_and_grows_with_confidence() -> None:
    source, window = rows(400, 1), rows(300, 2)
    few = worst_case(source, window.features, window.p, category_sizes=(0, 0, 0), seed=1)
    sure = worst_case(source, window.features, window.p, category_sizes=(0, 0, 0), seed=1, level=0.001)
    more = rows(4000, 1), rows(3000, 2)
    many = worst_case(more[0], more[1].features, more[1].p, category_sizes=(0, 0, 0), seed=1)
    assert many.chance < few.chance < sure.chance


def test_categories_and_missing_values_are_taken_as_they_come() -> None:
    source, window = rows(300, 1), rows(200, 2)
    for side in (source, window):
        side.features[:, 1] = np.arange(len(side.features)) % 3
        side.features[::7, 1:] = np.nan
    found = worst_case(source, window.features, window.p, category_sizes=(0, 3, 0), seed=1)
    assert 0.0 <= found.accuracy <= 1.0
