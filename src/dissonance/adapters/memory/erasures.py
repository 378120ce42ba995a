"""What there is about one data subject, and the certificates of erasures, in memory (`ports.erasures.ErasureStore`)."""

from __future__ import annotations

from dissonance.adapters.memory.held import Held
from dissonance.ports.erasures import Erasure


class MemoryErasures(Held):
    async def predictions_about(self, task_id: str, data_subject: bytes) -> list[bytes]:
        rows = [row for row in self._experience(task_id).values() if row.data_subject == data_subject]
        return [row.prediction_id for row in sorted(rows, key=lambda row: (row.event_time_us, row.prediction_id))]

    async def reference_about(self, task_id: str, data_subject: bytes) -> dict[int, tuple[str, bytes]]:
        known = self._known(task_id)
        rows = sorted(known.reference.items()) if known is not None else []
        return {number: (split.value, sealed) for number, (split, about, sealed) in rows if about == data_subject}

    async def requests_about(self, task_id: str, data_subject: bytes) -> int:
        known = self._known(task_id)
        requests = known.requests.values() if known is not None else ()
        return sum(request.data_subject == data_subject for request in requests)

    async def keep_erasure(self, erasure: Erasure) -> Erasure:
        self._require()
        return self._erasures.setdefault((erasure.task_id, erasure.data_subject), erasure)

    async def erasure(self, task_id: str, data_subject: bytes) -> Erasure | None:
        self._require()
        return self._erasures.get((task_id, data_subject))

    async def erased(self) -> dict[str, list[bytes]]:
        self._require()
        found: dict[str, list[bytes]] = {}
        for task_id, data_subject in self._erasures:
            found.setdefault(task_id, []).append(data_subject)
        return found
