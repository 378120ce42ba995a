"""What steps work with beside the workshop: files, keys, checks, and whoever fits; made by `bootstrap_pipeline`."""

from __future__ import annotations

import dataclasses

from dissonance.pipeline.workshop import Workshop
from dissonance.ports.blobs import Blobs
from dissonance.ports.checks import TableChecks
from dissonance.ports.sources import RowSource
from dissonance.science.proposer import Grow


@dataclasses.dataclass(frozen=True)
class Bench:
    """`folder` of all tasks' runs within `files`. `hash_key` names rows, `sealing_key` seals candidates, 32 bytes each.
    `source`: of the rows that the request names, None where it names none; `grow`: who grows trees, None: this
    machine."""

    workshop: Workshop
    files: Blobs
    folder: str
    hash_key: bytes = dataclasses.field(repr=False)
    sealing_key: bytes = dataclasses.field(repr=False)
    checks: TableChecks
    source: RowSource | None = None
    grow: Grow | None = None

    def task_folder(self, task_id: str) -> str:
        return f"{self.folder}/{task_id}"
