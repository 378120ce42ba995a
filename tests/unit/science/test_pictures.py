"""The picture of a drop shows what carries most, worst on top, whatever the number of slices."""

from __future__ import annotations

import pandas as pd
import pytest

from dissonance.science.pictures import SHOWN, picture_of_harm


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
