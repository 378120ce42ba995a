"""One run in hand: what was asked, what is done, and what steps share so that it is read once."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
from collections.abc import Mapping

import pyarrow as pa

from dissonance.contracts.policy import policy_digest
from dissonance.contracts.schema import Task
from dissonance.decisions.pairs import LoadedPair
from dissonance.errors import ConfigurationError
from dissonance.pipeline.aliases import open_version
from dissonance.pipeline.flow.bench import Bench
from dissonance.pipeline.flow.candidate import Kept, Place, read_candidate
from dissonance.pipeline.flow.incoming import Incoming, encode, wanted_columns
from dissonance.pipeline.flow.records import Records, key_of
from dissonance.pipeline.flow.snapshot import RowIds
from dissonance.pipeline.reference import OpenedRows, open_reference
from dissonance.pipeline.workshop import Progress, Workshop, no_progress
from dissonance.ports.sources import RowSource
from dissonance.ports.steps import RunRequest, StepName, StepRecord
from dissonance.ports.store import Split

Inputs = Mapping[str, str | int | float | None]
"""Of a step, by name."""

NO_ROWS = hashlib.sha256(b"").hexdigest()
"""The digest of a source that was not named."""


class Work:
    """Of one process; what is not in `records` yet, steps before it left to another process."""

    def __init__(self, bench: Bench, task: Task, request: RunRequest, progress: Progress = no_progress) -> None:
        self.bench = bench
        self.task = task
        self.request = request
        self.progress = progress
        self.records = Records(bench.files, bench.task_folder(task.task_id))
        self.done: dict[StepName, StepRecord] = {}
        self.ids = RowIds(bench.hash_key)
        self._table: pa.Table | None = None
        self._incoming: Incoming | None = None
        self._golden: OpenedRows | None = None
        self._incumbent: LoadedPair | None = None
        self._candidate: Kept | None = None

    @property
    def workshop(self) -> Workshop:
        return self.bench.workshop

    @property
    def place(self) -> Place:
        return Place(self.bench.files, self.records.folder, self.bench.sealing_key, self.task)

    def keyed(self, content: bytes) -> str:
        """Of what is about people: tells nothing to whoever has not the key. 64 hex digits."""
        return hmac.new(self.bench.hash_key, content, digestmod="sha256").hexdigest()

    def key_of(self, step: StepName, inputs: Inputs) -> str:
        """What the record of a step of this task is found by."""
        return key_of(step, {"task": self.task.task_id, **inputs})

    async def table(self) -> pa.Table | None:
        """Of the source; None where none is named. Raises `ConfigurationError` when it cannot be read here."""
        if not self.request.source:
            return None
        if self._table is None:
            self._table = await self._source().read(wanted_columns(self.task))
        return self._table

    async def incoming(self) -> Incoming | None:
        """The source's rows, encoded; they must have passed their checks."""
        if self._incoming is None and (table := await self.table()) is not None:
            hashed = self.workshop.keys.data_subject_hash
            self._incoming = await asyncio.to_thread(encode, self.task, table, hashed)
        return self._incoming

    def _source(self) -> RowSource:
        if self.bench.source is None:
            raise ConfigurationError(
                "the run has a source that is not open", where=self.request.source, fix="name it again: --from"
            )
        return self.bench.source

    async def golden(self) -> OpenedRows:
        if self._golden is None:
            self._golden = await open_reference(self.workshop, self.task, Split.GOLDEN)
        return self._golden

    async def incumbent(self) -> LoadedPair:
        """The version that the run was begun with, whatever is in production by now."""
        if self._incumbent is None:
            self._incumbent = await open_version(self.workshop, self.task, self.request.incumbent)
        return self._incumbent

    async def candidate(self) -> Kept:
        """What training made."""
        if self._candidate is None:
            trained = self.done[StepName.TRAIN]
            self._candidate = await asyncio.to_thread(read_candidate, self.place, trained.key, trained.digest)
        return self._candidate

    def trained(self, candidate: Kept) -> None:
        self._candidate = candidate

    async def policy_digest(self) -> str:
        return policy_digest(await self.workshop.store.policy(self.task.task_id))
