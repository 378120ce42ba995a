"""Keys of data subjects within one process, for unit tests: the contract of PostgreSQL, nothing durable."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from dissonance.errors import EngineUnavailable
from dissonance.ports.clock import Randomness
from dissonance.ports.keys import DataKey, DataSubjectHash
from dissonance.security.wrapping import NEW_KEY_BYTES, KeyWrap, SubjectHash

logger = logging.getLogger(__name__)


class WrappedKeys:
    """What replicas share: wrapped keys by task and data subject, and what was destroyed."""

    def __init__(self) -> None:
        self.wrapped: dict[tuple[str, bytes], bytes] = {}
        self.destroyed: set[tuple[str, bytes]] = set()
        self.destroyed_tasks: set[str] = set()


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
    ) -> None:
        logger.warning("keys of data subjects in memory: they end with this process, production refuses it")
        self.available = True
        self._randomness = randomness
        self._wrap = KeyWrap(key_encryption_key)
        self._subject_hash = SubjectHash(hash_key)
        self._shared = shared or WrappedKeys()

    async def obtain(self, task_id: str, data_subjects: Sequence[DataSubjectHash]) -> dict[DataSubjectHash, DataKey]:
        self._require()
        for data_subject in data_subjects:
            if not self._is_destroyed(task_id, data_subject) and (task_id, data_subject) not in self._shared.wrapped:
                wrapped = self._wrap.new(task_id, data_subject, self._randomness.token(NEW_KEY_BYTES))
                self._shared.wrapped[task_id, data_subject] = wrapped
        return await self.find(task_id, data_subjects)

    async def find(self, task_id: str, data_subjects: Sequence[DataSubjectHash]) -> dict[DataSubjectHash, DataKey]:
        self._require()
        return {
            data_subject: self._wrap.open(task_id, data_subject, self._shared.wrapped[task_id, data_subject])
            for data_subject in data_subjects
            if (task_id, data_subject) in self._shared.wrapped
        }

    async def destroy(self, task_id: str, data_subjects: Sequence[DataSubjectHash]) -> int:
        self._require()
        names = {(task_id, data_subject) for data_subject in data_subjects}
        self._shared.destroyed |= names
        return sum(self._shared.wrapped.pop(name, None) is not None for name in names)

    async def destroy_task(self, task_id: str) -> int:
        self._require()
        self._shared.destroyed_tasks.add(task_id)
        names = [name for name in self._shared.wrapped if name[0] == task_id]
        for name in names:
            del self._shared.wrapped[name]
        return len(names)

    def data_subject_hash(self, task_id: str, data_subject: str) -> DataSubjectHash:
        return self._subject_hash(task_id, data_subject)

    async def ready(self) -> None:
        self._require()

    def _is_destroyed(self, task_id: str, data_subject: bytes) -> bool:
        return task_id in self._shared.destroyed_tasks or (task_id, data_subject) in self._shared.destroyed

    def _require(self) -> None:
        if not self.available:
            raise EngineUnavailable("the keys in memory play dead", where="keys", fix="set their `available`")
