"""Decisions on models, and the hash chain as it lies there."""

from __future__ import annotations

from typing import Any

from dissonance.adapters.postgres.columns import Texts
from dissonance.adapters.postgres.database import Connection, Database
from dissonance.adapters.postgres.part import StorePart, task_key, unknown_task
from dissonance.contracts.events import WHOLE_SYSTEM
from dissonance.contracts.evidence import DecisionKind
from dissonance.ports.decisions import ALL, ChainHead, ChainLink, Decision, KeptDecision, Wanted


class PostgresDecisions(StorePart):
    """`ports.decisions.DecisionStore`."""

    async def record_decision(self, decision: Decision) -> int:
        parameters = {"task": task_key(decision.task_id), "cause": decision.cause}
        async with self._database.connection("record_decision") as connection, connection.transaction():
            await lock_chain(self._database, connection, decision.task_id)
            known = await self._database.rows_on(connection, "decision_link", parameters)
            return int(known[0][0]) if known else await append_decision(self._database, connection, decision)

    async def decisions(self, task_id: str, wanted: Wanted = ALL, limit: int = 100) -> list[KeptDecision]:
        parameters = {
            "task": task_key(task_id),
            "kinds": Texts([kind.value for kind in wanted.kinds or DecisionKind]),
            "version": wanted.version,
            "start_us": wanted.start_us,
            "end_us": wanted.end_us,
            "limit": limit,
        }
        return [_kept(task_id, row) for row in await self._database.rows("decisions", parameters)]

    async def decisions_named(self, task_id: str, start: str) -> list[KeptDecision]:
        parameters = {"task": task_key(task_id), "start": start}
        return [_kept(task_id, row) for row in await self._database.rows("decisions_named", parameters)]

    async def decision_of(self, task_id: str, cause: str) -> KeptDecision | None:
        parameters = {"task": task_key(task_id), "cause": cause}
        rows = await self._database.rows("decision_of", parameters)
        return _kept(task_id, rows[0]) if rows else None

    async def chain_head(self, task_id: str) -> ChainHead:
        rows = await self._database.rows("chain_head", {"task": task_key(task_id)})
        if not rows:
            raise unknown_task(task_id)
        return ChainHead(*rows[0])

    async def chain_links(self, task_id: str, after: int = 0, limit: int = 500) -> list[ChainLink]:
        parameters = {"task": task_key(task_id), "after": after, "limit": limit}
        return [ChainLink(*row) for row in await self._database.rows("chain_links", parameters)]


async def lock_chain(database: Database, connection: Connection, task_id: str) -> None:
    """Until the transaction ends nobody else adds to the task's chain. Raises `UnknownTask`, also for the whole system:
    to its chain nothing but accesses is added."""
    if task_id == WHOLE_SYSTEM or not await database.rows_on(connection, "lock_chain", {"task": task_key(task_id)}):
        raise unknown_task(task_id)


async def append_decision(database: Database, connection: Connection, decision: Decision) -> int:
    """One link, and the decision that it proves; in the transaction of what was decided, after `lock_chain`."""
    parameters = {
        "task": task_key(decision.task_id),
        "evidence": decision.evidence,
        "decision_id": decision.decision_id,
        "cause": decision.cause,
        "kind": decision.kind.value,
        "version": decision.version,
        "decided_at_us": decision.decided_at_us,
    }
    return int((await database.rows_on(connection, "append_decision", parameters))[0][0])


def _kept(task_id: str, row: tuple[Any, ...]) -> KeptDecision:
    link, decision_id, cause, kind, version, decided_at_us, evidence = row
    decision = Decision(
        task_id=task_id,
        decision_id=decision_id,
        cause=cause,
        kind=DecisionKind(kind),
        version=version,
        decided_at_us=decided_at_us,
        evidence=evidence,
    )
    return KeptDecision(link, decision)
