"""First answers, kept for whoever repeats an idempotency key."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from dissonance.adapters.postgres.columns import Byteas
from dissonance.adapters.postgres.part import StorePart, task_key
from dissonance.ports.store import IdempotentAnswer


class PostgresIdempotency(StorePart):
    """`ports.store.IdempotencyStore`."""

    async def reserve(
        self, task_id: str, answers: Sequence[IdempotentAnswer], now_us: int
    ) -> dict[bytes, IdempotentAnswer]:
        """Of answers that share a key in one call the first is kept, and returned."""
        if not answers:
            return {}
        parameters = {
            "task": task_key(task_id),
            "keys": Byteas([answer.key_hash for answer in answers]),
            "bodies": Byteas([answer.body_digest for answer in answers]),
            "answers": Byteas([answer.answer for answer in answers]),
            "now_us": now_us,
        }
        new = {row[0] for row in await self._database.rows("reserve", parameters)}
        times = Counter(answer.key_hash for answer in answers)
        earlier = [key for key, count in times.items() if count > 1 or key not in new]
        if not earlier:
            return {}
        parameters = {"task": task_key(task_id), "keys": Byteas(earlier)}
        kept = await self._database.rows("kept_answers", parameters)
        return {row[0]: IdempotentAnswer(*row) for row in kept}

    async def forget_idempotency(self, older_than_us: int) -> int:
        return await self._database.execute("forget_idempotency", {"older_than_us": older_than_us})
