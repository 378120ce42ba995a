"""Windows: which rows they hold, and what happens when the pool is small."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np

from science.prepare import Prepared
from science.windows import draw
from support.prepared import rows_of


def prepared_of(source: int, target: int) -> Prepared:
    model: Any = None
    reference = rows_of(100, 1)
    pools = rows_of(source, 2), rows_of(target, 3)
    return Prepared("made", "made", "covariate", 7, (0, 0, 3), ("a", "b", "c"), model, reference, reference, *pools)


def test_rows_of_a_window_are_those_of_the_stated_generator() -> None:
    prepared = prepared_of(400, 500)

    window = next(w for w in draw(prepared, 2) if (w.kind, w.size, w.number) == ("target", 300, 1))

    rows = np.random.default_rng([7, 300, 1, 1]).permutation(500)[:300]
    assert np.array_equal(window.rows.features, prepared.target.features[rows])
    assert len(np.unique(window.rows.features[:, 0])) == 300


def test_a_pool_gives_the_sizes_that_it_holds_and_no_others() -> None:
    counts = Counter((window.kind, window.size) for window in draw(prepared_of(299, 1_000), 3))

    assert counts == {("source", 100): 3, ("target", 100): 3, ("target", 300): 3, ("target", 1_000): 3}


def test_traffic_holds_no_labels() -> None:
    (window, *_) = draw(prepared_of(100, 100), 1)

    assert set(vars(window.traffic)) == {"features", "p"}
