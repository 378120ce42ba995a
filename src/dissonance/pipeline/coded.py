"""Task and description with numbers in place of values, for what others keep of a model in plain.

Categories and classes are values of people's rows; what a registry shows of a model needs them as little as rows.
"""

from __future__ import annotations

import msgspec

from dissonance.contracts.schema import Task
from dissonance.decisions.slices import values_of
from dissonance.pipeline.describing import Description


def coded(task: Task, described: Description | None) -> tuple[Task, Description | None]:
    """Classes and slices are called by their place in the task, from 1 on; the sealed papers have the names."""
    classes = tuple(f"class {place}" for place in range(1, len(task.classes) + 1))
    named = msgspec.structs.replace(task, classes=classes)
    if described is None:
        return named, None
    places = {
        (feature.name, value): f"part {place}"
        for feature in task.schema.features
        for place, value in enumerate(values_of(feature), 1)
    }
    slices = tuple(each._replace(value=places[each.feature, each.value]) for each in described.slices)
    return named, described._replace(slices=slices)
