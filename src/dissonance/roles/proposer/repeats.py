"""An ask that came before is answered as it was then, by its idempotency key (ADR 16)."""

from __future__ import annotations

from collections.abc import Sequence

from dissonance.contracts import codec
from dissonance.contracts.events import Predicted
from dissonance.errors import EngineUnavailable, IdempotencyConflict, MalformedEvent
from dissonance.ports.store import IdempotentAnswer
from dissonance.roles.proposer.ask import Answered, Ask, IdempotencyKey, Outcome, erased
from dissonance.roles.proposer.keyring import KeyRing
from dissonance.roles.proposer.reservations import Reservations
from dissonance.security.rows import probabilities_matrix


class Repeats:
    def __init__(self, reservations: Reservations, keys: KeyRing) -> None:
        self._reservations = reservations
        self._keys = keys

    async def settle(
        self, asks: Sequence[Ask], events: Sequence[Predicted], outcomes: list[Outcome]
    ) -> list[Predicted]:
        """Put the earlier answer in place of a repeated ask's in `outcomes`; returns the events to publish.

        `events` has one of each ask; as it is without any key. An earlier answer is published once more, since its
        first publication may have been cut short; its rows have the same prediction ids, so the gate and the store take
        them once.
        """
        first: dict[bytes, int] = {}
        for position, ask in enumerate(asks):
            if ask.key is not None:
                first.setdefault(ask.key.key_hash, position)
        if not first:
            return list(events)
        answers = {
            key_hash: IdempotentAnswer(key_hash, _key_of(asks[at]).body_digest, codec.encode(events[at]))
            for key_hash, at in first.items()
        }
        earlier = await self._reservations.reserve(asks[0].context.task.task_id, list(answers.values()))
        to_publish: list[Predicted] = []
        for position, (ask, event) in enumerate(zip(asks, events, strict=True)):
            published: Predicted | None = event
            if ask.key is not None and (ask.key.key_hash in earlier or first[ask.key.key_hash] != position):
                kept = earlier.get(ask.key.key_hash, answers[ask.key.key_hash])
                published, outcomes[position] = await self._earlier(ask, kept)
            if published is not None:
                to_publish.append(published)
        return to_publish

    async def _earlier(self, ask: Ask, kept: IdempotentAnswer | EngineUnavailable) -> tuple[Predicted | None, Outcome]:
        if isinstance(kept, EngineUnavailable):
            return None, kept
        if kept.body_digest != _key_of(ask).body_digest:
            return None, _conflict()
        event = codec.decode(kept.answer)
        if not isinstance(event, Predicted):
            raise MalformedEvent("a kept answer is not a prediction", where="idempotency", fix="use another key")
        try:
            rows = await self._keys.opened(event)
        except EngineUnavailable as error:
            return None, error
        opened = [row for row in rows if row is not None]
        if len(opened) < len(rows):
            return None, erased()
        probabilities = probabilities_matrix(opened, len(ask.context.task.classes))
        return event, Answered(event.prediction_ids, probabilities, event.model_digest)


def _key_of(ask: Ask) -> IdempotencyKey:
    assert ask.key is not None
    return ask.key


def _conflict() -> IdempotencyConflict:
    return IdempotencyConflict(
        "the key was used with another body before",
        where="header Idempotency-Key",
        fix="use a new key for a new body; repeat a body only to the letter",
    )
