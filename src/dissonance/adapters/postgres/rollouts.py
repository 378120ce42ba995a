"""Updates on their way into production, and how they were judged."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

import msgspec

from dissonance.adapters.postgres.columns import Texts
from dissonance.adapters.postgres.decisions import append_decision, lock_chain
from dissonance.adapters.postgres.part import StorePart, digest_bytes, task_key
from dissonance.contracts.events import UpdateJudged
from dissonance.contracts.updates import LIVE_PHASES
from dissonance.ports.decisions import Decision
from dissonance.ports.rollouts import (
    STEPS_OF_CHANCE,
    PairedCounts,
    PairsOfChance,
    Rollout,
    known_as,
    told_as,
    weighed_counts,
)

LIVE = sorted(phase.value for phase in LIVE_PHASES)


class PostgresRollouts(StorePart):
    """`ports.rollouts.RolloutStore`."""

    async def rollout(self, task_id: str) -> Rollout | None:
        found = await self.rollouts(task_id, 1)
        return found[0] if found else None

    async def rollouts(self, task_id: str, limit: int = 100) -> list[Rollout]:
        rows = await self._database.rows("rollouts", {"task": task_key(task_id), "limit": limit})
        return [msgspec.json.decode(body, type=Rollout) for (body,) in rows]

    async def live_rollouts(self) -> list[Rollout]:
        rows = await self._database.rows("live_rollouts", {"phases": LIVE})
        return [msgspec.json.decode(body, type=Rollout) for (body,) in rows]

    async def save_rollout(self, rollout: Rollout, decision: Decision, after: str | None = None) -> bool:
        """Locks the chain first, so that rollouts, judgements and verdicts take turns."""
        parameters = {
            "task": task_key(rollout.task_id),
            "rollout": UUID(hex=rollout.rollout_id),
            "revision": rollout.revision,
            "phase": rollout.phase.value,
            "body": msgspec.json.encode(rollout).decode(),
            "event_id": told_as(rollout),
            "saved_us": self._clock.now_us(),
            "live": LIVE,
        }
        query = "insert_rollout" if rollout.revision == 1 else "update_rollout"
        async with self._database.connection("save_rollout") as connection, connection.transaction():
            await lock_chain(self._database, connection, rollout.task_id)
            if after is not None:
                newest = await self._database.rows_on(connection, "rollouts", {**parameters, "limit": 1})
                if known_as(msgspec.json.decode(newest[0][0], type=Rollout) if newest else None) != after:
                    return False
            saved = await self._database.execute_on(connection, query, parameters) == 1
            if saved:
                await append_decision(self._database, connection, decision)
                await self._database.execute_on(connection, "insert_untold", parameters)
        return saved

    async def untold_rollouts(self, saved_before_us: int) -> list[Rollout]:
        rows = await self._database.rows("untold_rollouts", {"saved_before_us": saved_before_us})
        return [msgspec.json.decode(body, type=Rollout) for (body,) in rows]

    async def rollouts_told(self, task_id: str, event_ids: Sequence[str]) -> None:
        parameters = {"task": task_key(task_id), "event_ids": Texts(list(event_ids))}
        await self._database.execute("delete_untold", parameters)

    async def record_update(self, judged: UpdateJudged, decision: Decision) -> int:
        """Locks the chain first, as above."""
        parameters = {
            "task": task_key(judged.task_id),
            "event_id": judged.event_id,
            "body": msgspec.msgpack.encode(judged),
        }
        async with self._database.connection("record_update") as connection, connection.transaction():
            await lock_chain(self._database, connection, judged.task_id)
            known = await self._database.rows_on(connection, "judgement_link", parameters)
            if known:
                return int(known[0][0])
            link = await append_decision(self._database, connection, decision)
            await self._database.execute_on(connection, "insert_judgement", {**parameters, "link": link})
        return link

    async def updates(self, task_id: str, limit: int = 100) -> list[UpdateJudged]:
        rows = await self._database.rows("updates", {"task": task_key(task_id), "limit": limit})
        return [msgspec.msgpack.decode(body, type=UpdateJudged) for (body,) in rows]

    async def paired_counts(self, task_id: str, model_digest: str, shadow_digest: str, since_us: int) -> PairedCounts:
        parameters = {
            "task": task_key(task_id),
            "model": digest_bytes(model_digest),
            "shadow": digest_bytes(shadow_digest),
            "since_us": since_us,
            "steps": STEPS_OF_CHANCE,
        }
        return weighed_counts([PairsOfChance(*row) for row in await self._database.rows("paired_counts", parameters)])
