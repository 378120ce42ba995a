"""Both versions of the model on the same rows, which neither was trained on. Pure."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from dissonance.drills.demo.result import Compared
from dissonance.drills.demo.story import PERSON, Part
from dissonance.science.proportions import paired_difference, wilson_interval

GROUP = "people in group quarters"
ELSEWHERE = "everybody else"


def compare(part: Part, before: Mapping[str, int], after: Mapping[str, int]) -> list[Compared]:
    """`before` and `after`: answers by person; every person of `part` must have both (`KeyError` else)."""
    people = part.frame[PERSON].tolist()
    right_before = np.array([before[person] for person in people]) == part.labels
    right_after = np.array([after[person] for person in people]) == part.labels
    return [
        _compared(name, right_before[chosen], right_after[chosen])
        for name, chosen in ((GROUP, part.group_quarters), (ELSEWHERE, ~part.group_quarters))
    ]


def _compared(name: str, before: npt.NDArray[np.bool_], after: npt.NDArray[np.bool_]) -> Compared:
    n = len(before)
    gained, lost = int((after & ~before).sum()), int((before & ~after).sum())
    return Compared(
        name,
        n,
        wilson_interval(int(before.sum()), n),
        wilson_interval(int(after.sum()), n),
        paired_difference(gained, lost, n),
    )
