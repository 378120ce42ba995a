"""Keys of data subjects, in a store of their own that no data backup contains (design section 4)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from dissonance.ports.key_versions import KeyVersions

DataSubjectHash = bytes
"""Keyed hash of a data subject within a task, 16 bytes."""

DataKey = bytes
"""An AES-256 key, 32 bytes."""


Unwrap = Callable[[], list[DataKey | None]]
"""A key for each data subject that was asked for, in order, None where there is none."""

SpareId = bytes
"""Name of a spare key, 16 random bytes."""


class DataSubjectKeys(Protocol):
    @property
    def versions(self) -> KeyVersions:
        """The key-encryption keys that these are wrapped under."""
        ...

    async def obtain(self, task_id: str, data_subjects: Sequence[DataSubjectHash]) -> dict[DataSubjectHash, DataKey]:
        """The key of each subject, made (and durable before this returns) where there was none.

        A subject whose key was destroyed gets none: it is missing from the result.
        Raises `EngineUnavailable`.
        """
        ...

    async def find(self, task_id: str, data_subjects: Sequence[DataSubjectHash]) -> dict[DataSubjectHash, DataKey]:
        """The keys that exist; destroyed and unknown subjects are missing from the result."""
        ...

    async def fetch_each(self, task_id: str, data_subjects: Sequence[DataSubjectHash]) -> Unwrap:
        """As `find`, for rows by the thousand: what comes back unwraps them, in whichever thread it is called. Raises
        `EngineUnavailable`; `SealBroken` may come then too."""
        ...

    def remembered(
        self, task_id: str, data_subjects: Sequence[DataSubjectHash], read_within_s: float | None = None
    ) -> dict[DataSubjectHash, DataKey]:
        """Keys that this process read lately, without asking the store: for while that is away.

        How lately, whoever made this says, unless `read_within_s` says less. What this process destroyed is not among
        them.
        """
        ...

    async def reserve(self, count: int) -> dict[SpareId, DataKey]:
        """Spare keys: durable here, and nobody's yet. With one a row about somebody new can be sealed while this store
        is away, and named by nothing but its id (ADR 40)."""
        ...

    async def release(self, spare_ids: Sequence[SpareId]) -> None:
        """Forget spare keys that were never used."""
        ...

    async def adopt(self, task_id: str, spares: Mapping[SpareId, DataSubjectHash]) -> dict[SpareId, DataKey]:
        """Spare keys that were used, and about whom: each becomes the key of its data subject where there was none.

        Where there was one already the spare key is kept beside it, to open what was sealed with it, and is destroyed
        together with it. Missing from the result: spare keys of data subjects that were erased, and unknown ones.
        May be called again with the same.
        """
        ...

    async def destroy(self, task_id: str, data_subjects: Sequence[DataSubjectHash]) -> int:
        """Erase: returns how many keys were destroyed; logged so that a restore destroys them again."""
        ...

    async def not_destroyed(self, task_id: str, data_subjects: Sequence[DataSubjectHash]) -> list[DataSubjectHash]:
        """Those that the log of destroyed keys does not name, as after an old backup of it was restored."""
        ...

    async def destroy_task(self, task_id: str) -> int: ...

    def data_subject_hash(self, task_id: str, data_subject: str) -> DataSubjectHash:
        """HMAC-SHA-256 of the data subject's id within the task, cut to 16 bytes (RFC 2104)."""
        ...

    def data_subject_hashes(self, task_id: str, data_subjects: Sequence[str]) -> list[DataSubjectHash]:
        """As `data_subject_hash`, of each: for rows by the hundred."""
        ...

    async def ready(self) -> None: ...
