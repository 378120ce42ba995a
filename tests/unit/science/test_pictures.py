"""The picture of a drop shows what carries most, worst on top; pictures of errors show what was counted."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from dissonance.science.metrics import reliability
from dissonance.science.pictures import SHOWN, as_png, picture_of_confusion, picture_of_harm, picture_of_reliability


@pytest.mark.parametrize("slices", [1, 3, 40])
def test_the_slices_that_carry_most_are_on_top_and_in_points(slices: int) -> None:
    carried = [0.05 - 0.004 * number for number in range(slices)]
    rows = [f"part {number}" for number in range(slices)]
    figure = picture_of_harm(pd.DataFrame({"column": "kind", "rows": rows, "carried": carried}))
    (axes,) = figure.axes
    names = [label.get_text() for label in axes.get_yticklabels()]
    assert len(names) == min(slices, SHOWN)
    assert names[-1] == "kind: part 0"
    assert axes.patches[-1].get_width() == pytest.approx(5.0)


def test_a_model_on_the_diagonal_and_what_it_takes_for_what_are_drawn_alike_every_time() -> None:
    found = reliability(np.array([0.55, 0.56, 0.95]), np.array([1.0, 0.0, 1.0]))
    figure = picture_of_reliability(found)
    (points,) = figure.axes[0].collections
    np.testing.assert_allclose(np.asarray(points.get_offsets()), [[0.555, 0.5], [0.95, 1.0]])
    counts = np.array([[5, 1], [0, 4]])
    drawn = picture_of_confusion(counts, ["no", "yes"])
    assert [text.get_text() for text in drawn.axes[0].texts] == ["5", "1", "0", "4"]
    assert as_png(drawn) == as_png(picture_of_confusion(counts, ["no", "yes"]))
