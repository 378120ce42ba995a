"""What the store has about one data subject, and the certificates of erasures (part of `ports.store.Store`)."""

from __future__ import annotations

from typing import NamedTuple, Protocol


class Erasure(NamedTuple):
    """`certificate`: as it was signed (`security.evidence.SignedBundle`)."""

    task_id: str
    data_subject: bytes
    erased_at_us: int
    certificate: bytes


class ErasureStore(Protocol):
    async def predictions_about(self, task_id: str, data_subject: bytes) -> list[bytes]:
        """Ids of its stored inputs, in order of event time."""
        ...

    async def reference_about(self, task_id: str, data_subject: bytes) -> dict[int, tuple[str, bytes]]:
        """Split and sealed row of its rows of the data file, by row number, in order."""
        ...

    async def requests_about(self, task_id: str, data_subject: bytes) -> int:
        """How many label requests are about it."""
        ...

    async def keep_erasure(self, erasure: Erasure) -> Erasure:
        """The one that is kept: the first stays. Outlives the task."""
        ...

    async def erasure(self, task_id: str, data_subject: bytes) -> Erasure | None: ...

    async def erased(self) -> dict[str, list[bytes]]:
        """Every erased data subject, by task."""
        ...
