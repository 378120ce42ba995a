"""The frozen model: version 1 as it is registered, signature checked, on the rows that the managed one answered."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from dissonance.contracts.schema import Task
from dissonance.decisions.pairs import find_version, load_pair
from dissonance.decisions.rows import RowEncoder
from dissonance.drills.demo.story import PERSON, TIME, Part
from dissonance.pipeline.workshop import Workshop

FIRST_VERSION = 1
CHUNK = 5_000


def frozen_answers(workshop: Workshop, task: Task, part: Part) -> npt.NDArray[np.int64]:
    """Class of each row, (n,). Blocking: call it from a thread."""
    version = find_version(workshop.registry, task, FIRST_VERSION)
    proposer = load_pair(workshop.registry, workshop.artefact_keys, task, version).proposer
    encoder = RowEncoder(task.schema, extra=(TIME, PERSON))
    chunks = [
        proposer.probabilities(encoder.encode(part.rows(start, start + CHUNK))).argmax(axis=1)
        for start in range(0, len(part), CHUNK)
    ]
    return np.asarray(np.concatenate(chunks), dtype=np.int64)
