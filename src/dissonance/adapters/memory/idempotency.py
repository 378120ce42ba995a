"""First answers to idempotency keys in memory (`ports.store.IdempotencyStore`)."""

from __future__ import annotations

from collections.abc import Sequence

from dissonance.adapters.memory.held import Held
from dissonance.ports.store import IdempotentAnswer


class MemoryIdempotency(Held):
    async def reserve(
        self, task_id: str, answers: Sequence[IdempotentAnswer], now_us: int
    ) -> dict[bytes, IdempotentAnswer]:
        self._require()
        earlier = {}
        for answer in answers:
            name = (task_id, answer.key_hash)
            if name in self._idempotency:
                earlier[answer.key_hash] = self._idempotency[name][0]
            else:
                self._idempotency[name] = (answer, now_us)
        return earlier

    async def forget_idempotency(self, older_than_us: int) -> int:
        self._require()
        old = [name for name, (_, kept_at_us) in self._idempotency.items() if kept_at_us < older_than_us]
        for name in old:
            del self._idempotency[name]
        return len(old)
