"""Both versions on the same rows."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from dissonance.drills.demo.compare import ELSEWHERE, GROUP, compare
from dissonance.drills.demo.story import PERSON, Part

PEOPLE = [f"p{number}" for number in range(8)]
PART = Part(
    frame=pd.DataFrame({PERSON: PEOPLE}),
    times_us=np.zeros(8, dtype=np.int64),
    labels=np.array([1, 1, 1, 1, 0, 0, 0, 0]),
    group_quarters=np.array([True] * 4 + [False] * 4),
)


def test_each_group_gets_its_own_shares_and_the_change_on_the_same_people() -> None:
    before = dict(zip(PEOPLE, [0, 0, 1, 1, 0, 0, 0, 1], strict=True))
    after = dict(zip(PEOPLE, [1, 1, 1, 0, 0, 0, 0, 1], strict=True))
    group, elsewhere = compare(PART, before, after)
    assert (group.name, elsewhere.name) == (GROUP, ELSEWHERE)
    assert (group.before.estimate, group.after.estimate, group.change.estimate) == (0.5, 0.75, 0.25)
    assert (elsewhere.before.estimate, elsewhere.after.estimate, elsewhere.change.estimate) == (0.75, 0.75, 0.0)
    assert group.rows == elsewhere.rows == 4


def test_person_without_an_answer_is_not_passed_over() -> None:
    with pytest.raises(KeyError, match="p7"):
        compare(PART, dict.fromkeys(PEOPLE, 1), dict.fromkeys(PEOPLE[:7], 1))
