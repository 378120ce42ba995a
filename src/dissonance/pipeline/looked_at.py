"""What the gate looks at to judge a candidate: golden rows and the last mature window, with their digests."""

from __future__ import annotations

import hashlib
from typing import NamedTuple

import numpy as np

from dissonance.contracts.schema import Task
from dissonance.decisions.evidence.chain import GOLDEN_ROWS
from dissonance.pipeline.golden_digest import stored_digest
from dissonance.pipeline.mature_window import Inputs, mature_window
from dissonance.pipeline.reference import open_stored
from dissonance.pipeline.training import LabelledRows
from dissonance.pipeline.workshop import Workshop
from dissonance.ports.store import Split

WINDOW = "window"


class LookedAt(NamedTuple):
    """`window`: its inputs, or what stood in for them. `digests`: SHA-256 by name, of the golden rows as they are
    stored, which needs no key, and of the window's numbers."""

    golden: LabelledRows
    window: Inputs
    digests: dict[str, str]


async def look(workshop: Workshop, task: Task) -> LookedAt:
    """Raises `SealBroken` or `EngineUnavailable`."""
    stored = await workshop.store.reference(task.task_id, Split.GOLDEN)
    golden = (await open_stored(workshop, task, stored)).rows
    window = await mature_window(workshop, task)
    digests = {
        GOLDEN_ROWS: stored_digest(stored),
        WINDOW: hashlib.sha256(np.ascontiguousarray(window.features).tobytes()).hexdigest(),
    }
    return LookedAt(golden, window, digests)
