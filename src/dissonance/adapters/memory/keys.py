"""Keys of data subjects within one process, for unit tests: the contract of PostgreSQL, nothing durable."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence

from dissonance.adapters.memory.clock import FixedClock
from dissonance.adapters.memory.key_versions import MemoryKeyVersions, WrappedKeys
from dissonance.errors import EngineUnavailable
from dissonance.ports.clock import Clock, Randomness
from dissonance.ports.keys import DataKey, DataSubjectHash, SpareId, Unwrap
from dissonance.security.envelope import NONCE_BYTES
from dissonance.security.wrapping import NEW_KEY_BYTES, SubjectHash

logger = logging.getLogger(__name__)


class MemoryDataSubjectKeys:
    """`ports.keys.DataSubjectKeys`; replicas are several of these on one `WrappedKeys`.

    `available = False` plays a database that is away.
    """

    is_double = True

    def __init__(
        self,
        randomness: Randomness,
        *,
        key_encryption_key: bytes = bytes(32),
        hash_key: bytes = b"hash key of a test",
        shared: WrappedKeys | None = None,
        clock: Clock | None = None,
        remembered_s: float = 900.0,
    ) -> None:
        logger.warning("keys of data subjects in memory: they end with this process, production refuses it")
        self.available = True
        self._randomness = randomness
        self._subject_hash = SubjectHash(hash_key)
        self._shared = shared or WrappedKeys()
        self.versions = MemoryKeyVersions(
            self._shared, key_encryption_key, randomness, clock or FixedClock(), self._require
        )
        self._clock = clock or FixedClock()
        self._remembered_us = round(remembered_s * 1e6)
        self._got: dict[tuple[str, bytes], tuple[bytes, int]] = {}

    async def obtain(self, task_id: str, data_subjects: Sequence[DataSubjectHash]) -> dict[DataSubjectHash, DataKey]:
        self._require()
        for data_subject in data_subjects:
            if not self._is_destroyed(task_id, data_subject) and (task_id, data_subject) not in self._shared.wrapped:
                held = self.versions.held()
                wrapped = held.wrap.new(task_id, data_subject, self._randomness.token(NEW_KEY_BYTES))
                self._shared.wrapped[task_id, data_subject] = (wrapped, held.active)
        return await self.find(task_id, data_subjects)

    async def find(self, task_id: str, data_subjects: Sequence[DataSubjectHash]) -> dict[DataSubjectHash, DataKey]:
        self._require()
        held = self.versions.held()
        found = {}
        for data_subject in data_subjects:
            if (task_id, data_subject) in self._shared.wrapped:
                wrapped, under = self._shared.wrapped[task_id, data_subject]
                found[data_subject] = held.under(under).open(task_id, data_subject, wrapped)
        self._got |= {(task_id, data_subject): (key, self._clock.now_us()) for data_subject, key in found.items()}
        return found

    async def fetch_each(self, task_id: str, data_subjects: Sequence[DataSubjectHash]) -> Unwrap:
        found = await self.find(task_id, data_subjects)
        return lambda: [found.get(each) for each in data_subjects]

    def remembered(
        self, task_id: str, data_subjects: Sequence[DataSubjectHash], read_within_s: float | None = None
    ) -> dict[DataSubjectHash, DataKey]:
        within_us = self._remembered_us if read_within_s is None else round(read_within_s * 1e6)
        oldest_us = self._clock.now_us() - within_us
        got = {each: self._got[task_id, each] for each in data_subjects if (task_id, each) in self._got}
        return {data_subject: key for data_subject, (key, at_us) in got.items() if at_us > oldest_us}

    async def reserve(self, count: int) -> dict[SpareId, DataKey]:
        self._require()
        made = {self._randomness.token(16): self._randomness.token(32) for _ in range(count)}
        self._shared.spares |= made
        self._shared.spares_under |= dict.fromkeys(made, self.versions.held().active)
        return made

    async def release(self, spare_ids: Sequence[SpareId]) -> None:
        self._require()
        for spare_id in spare_ids:
            if spare_id not in self._shared.used:
                self._shared.spares.pop(spare_id, None)

    async def adopt(self, task_id: str, spares: Mapping[SpareId, DataSubjectHash]) -> dict[SpareId, DataKey]:
        self._require()
        adopted = {}
        for spare_id, data_subject in spares.items():
            if self._is_destroyed(task_id, data_subject):
                self._shared.spares.pop(spare_id, None)
            elif spare_id in self._shared.spares:
                name = (task_id, data_subject)
                if self._shared.used.setdefault(spare_id, name) == name:
                    key = adopted[spare_id] = self._shared.spares[spare_id]
                    held = self.versions.held()
                    wrapped = held.wrap.of(task_id, data_subject, key, self._randomness.token(NONCE_BYTES))
                    self._shared.wrapped.setdefault(name, (wrapped, held.active))
        return adopted

    def spares(self) -> dict[SpareId, DataKey]:
        """Those there are, for tests that look behind the port."""
        return dict(self._shared.spares)

    def _destroy_spares(self, task_id: str, data_subjects: set[bytes] | None) -> None:
        for spare_id, (task, data_subject) in list(self._shared.used.items()):
            if task == task_id and (data_subjects is None or data_subject in data_subjects):
                del self._shared.used[spare_id]
                self._shared.spares.pop(spare_id, None)

    async def destroy(self, task_id: str, data_subjects: Sequence[DataSubjectHash]) -> int:
        self._require()
        names = {(task_id, data_subject) for data_subject in data_subjects}
        self._shared.destroyed |= names
        self._got = {name: got for name, got in self._got.items() if name not in names}
        self._destroy_spares(task_id, set(data_subjects))
        return sum(self._shared.wrapped.pop(name, None) is not None for name in names)

    async def not_destroyed(self, task_id: str, data_subjects: Sequence[DataSubjectHash]) -> list[DataSubjectHash]:
        self._require()
        return [each for each in data_subjects if not self._is_destroyed(task_id, each)]

    async def destroy_task(self, task_id: str) -> int:
        self._require()
        self._shared.destroyed_tasks.add(task_id)
        self._got = {name: got for name, got in self._got.items() if name[0] != task_id}
        self._destroy_spares(task_id, None)
        names = [name for name in self._shared.wrapped if name[0] == task_id]
        for name in names:
            del self._shared.wrapped[name]
        return len(names)

    def data_subject_hash(self, task_id: str, data_subject: str) -> DataSubjectHash:
        return self._subject_hash(task_id, data_subject)

    def data_subject_hashes(self, task_id: str, data_subjects: Sequence[str]) -> list[DataSubjectHash]:
        return self._subject_hash.many(task_id, data_subjects)

    async def ready(self) -> None:
        self._require()

    def _is_destroyed(self, task_id: str, data_subject: bytes) -> bool:
        return task_id in self._shared.destroyed_tasks or (task_id, data_subject) in self._shared.destroyed

    def _require(self) -> None:
        if not self.available:
            raise EngineUnavailable("the keys in memory play dead", where="keys", fix="set their `available`")
