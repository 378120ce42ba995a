"""Fresh labels before they teach: which of them are held back as suspected poison (ADR 32).

What came from one source is a batch; labels that people gave to the system's own questions are a batch of each person.
The random check is what they are held against.
"""

from __future__ import annotations

from collections import defaultdict
from typing import NamedTuple

import numpy as np

from dissonance.contracts.schema import Task
from dissonance.pipeline.reference import OpenedRows
from dissonance.pipeline.workshop import Workshop
from dissonance.ports.labels import AskedAs, RequestState
from dissonance.science.arrays import Mask, Matrix
from dissonance.science.quarantine import LEVEL, Story, judge_batch
from dissonance.science.renewal import Believed

LEAST_TRUSTED = 30
"""Labels of the random check."""

LEAST_BATCH = 60
"""Labels of one source: fewer can do little, and nothing is found in them."""


class Asked(NamedTuple):
    """Prediction ids whose question was answered: all, and those of the random check."""

    every: frozenset[bytes]
    at_random: frozenset[bytes]


class Sorted(NamedTuple):
    """Positions in the experience: of what may teach, and how many are held, by the story about them."""

    kept: list[int]
    poisoned: int
    undecided: int

    @property
    def numbers(self) -> dict[str, float]:
        return {"labels_poisoned": float(self.poisoned), "labels_undecided": float(self.undecided)}


async def answered(workshop: Workshop, task: Task, experience: OpenedRows) -> Asked:
    """Raises `EngineUnavailable`."""
    requests = await workshop.store.requests_for(task.task_id, experience.provenance.prediction_ids)
    done = [each for each in requests if each.state is RequestState.ANSWERED]
    at_random = frozenset(each.prediction_id for each in done if each.asked_as is AskedAs.RANDOM_CHECK)
    return Asked(frozenset(each.prediction_id for each in done), at_random)


def random_check(experience: OpenedRows, asked: Asked) -> list[int]:
    """Positions of its labels."""
    return [i for i, each in enumerate(experience.provenance.prediction_ids) if each in asked.at_random]


def batches_of(experience: OpenedRows, asked: Asked) -> dict[tuple[str, bool], list[int]]:
    """Positions by source, and whether they were asked for; the random check apart. None while that has too few labels:
    then nothing could ever be told apart, and labels teach as they come."""
    if len(random_check(experience, asked)) < LEAST_TRUSTED:
        return {}
    found: dict[tuple[str, bool], list[int]] = defaultdict(list)
    origin = experience.provenance
    for position, (each, source) in enumerate(zip(origin.prediction_ids, origin.label_sources, strict=True)):
        if each not in asked.at_random:
            found[source, each in asked.every].append(position)
    return {key: positions for key, positions in found.items() if len(positions) >= LEAST_BATCH}


def sort_out(experience: OpenedRows, asked: Asked, p: Matrix, *, category_sizes: tuple[int, ...], seed: int) -> Sorted:
    """`p` (n, k): of the experience, by models that have seen none of the batches, and not the row itself.

    Where the random check cannot tell, labels that nobody asked for are held; answers to questions are learnt from,
    since the inputs were not of the labeller's choosing.
    """
    batches = batches_of(experience, asked)
    rows = Believed(experience.rows.features, experience.rows.classes, p)
    trusted = rows.at(_mask(len(p), random_check(experience, asked)))
    held: dict[int, Story] = {}
    for (_, was_asked), positions in batches.items():
        batch = rows.at(_mask(len(p), positions))
        level = LEVEL / len(batches)
        found = judge_batch(batch, trusted, category_sizes=category_sizes, seed=seed, level=level)
        for suspicion in found.suspicions:
            if suspicion.story is Story.CHANGED or (was_asked and suspicion.story is Story.UNDECIDED):
                continue
            for inside in np.flatnonzero(suspicion.slice.inside(batch.features) & found.held):
                held.setdefault(positions[inside], suspicion.story)
    stories = list(held.values())
    kept = [i for i in range(len(experience.data_subjects)) if i not in held]
    return Sorted(kept, stories.count(Story.POISONED), stories.count(Story.UNDECIDED))


def _mask(n: int, positions: list[int]) -> Mask:
    mask = np.zeros(n, dtype=np.bool_)
    mask[positions] = True
    return mask
