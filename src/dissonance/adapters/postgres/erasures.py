"""What there is about one data subject, and the certificates of erasures."""

from __future__ import annotations

from dissonance.adapters.postgres.part import StorePart, task_key
from dissonance.ports.erasures import Erasure


class PostgresErasures(StorePart):
    """`ports.erasures.ErasureStore`."""

    async def predictions_about(self, task_id: str, data_subject: bytes) -> list[bytes]:
        return [row[0] for row in await self._database.rows("predictions_about", _about(task_id, data_subject))]

    async def reference_about(self, task_id: str, data_subject: bytes) -> dict[int, tuple[str, bytes]]:
        rows = await self._database.rows("reference_about", _about(task_id, data_subject))
        return {number: (split, sealed) for number, split, sealed in rows}

    async def requests_about(self, task_id: str, data_subject: bytes) -> int:
        return int((await self._database.rows("requests_about", _about(task_id, data_subject)))[0][0])

    async def keep_erasure(self, erasure: Erasure) -> Erasure:
        about = _about(erasure.task_id, erasure.data_subject)
        told = {"erased_at_us": erasure.erased_at_us, "certificate": erasure.certificate}
        await self._database.execute("keep_erasure", about | told)
        return await self.erasure(erasure.task_id, erasure.data_subject) or erasure

    async def erasure(self, task_id: str, data_subject: bytes) -> Erasure | None:
        rows = await self._database.rows("erasure", _about(task_id, data_subject))
        return Erasure(task_id, data_subject, *rows[0]) if rows else None

    async def erased(self) -> dict[str, list[bytes]]:
        found: dict[str, list[bytes]] = {}
        for task, data_subject in await self._database.rows("erased", {}):
            found.setdefault(task.hex, []).append(data_subject)
        return found


def _about(task_id: str, data_subject: bytes) -> dict[str, object]:
    return {"task": task_key(task_id), "data_subject": data_subject}
