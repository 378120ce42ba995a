"""Answers that idempotency keys got while the store was away, put into it when it is back (ADR 40)."""

from __future__ import annotations

from collections.abc import Sequence

from dissonance.contracts.events import AnswerKept, Event
from dissonance.ports.store import IdempotencyStore, IdempotentAnswer


class KeptAnswers:
    def __init__(self, store: IdempotencyStore) -> None:
        self._store = store

    async def handle(self, events: Sequence[Event]) -> list[Event]:
        """An answer that the store has already stays the one that counts."""
        for event in events:
            if isinstance(event, AnswerKept):
                answer = IdempotentAnswer(event.key_hash, event.body_digest, event.answer)
                await self._store.reserve(event.task_id, [answer], event.produced_at_us)
        return []
