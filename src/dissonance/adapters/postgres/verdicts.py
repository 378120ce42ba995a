"""Verdicts, the budget they spend, and the hash chain that proves them (design section 4).

A link's digest is SHA-256 of the digest before it, followed by its evidence; the first one follows 32 zero bytes.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence

import psycopg

from dissonance.adapters.postgres.columns import Bigints, Texts
from dissonance.adapters.postgres.failures import caused_by
from dissonance.adapters.postgres.part import id_parameters, task_key, unknown_task
from dissonance.adapters.postgres.tasks import CHAIN_START
from dissonance.adapters.postgres.weekly import WeeklyPart
from dissonance.contracts.events import WHOLE_SYSTEM
from dissonance.contracts.times import HOUR_US
from dissonance.contracts.verdicts import Reason, Verdict
from dissonance.errors import EngineError, SealBroken
from dissonance.ports.store import VerdictRows

LINKS_READ = 500
"""Links of the chain that are read at once."""


class PostgresVerdicts(WeeklyPart):
    """`ports.store.VerdictStore`."""

    async def judged(self, task_id: str, prediction_ids: Sequence[bytes]) -> dict[bytes, tuple[Verdict, Reason, int]]:
        if not prediction_ids:
            return {}
        parameters = {"task": task_key(task_id), **id_parameters(prediction_ids)}
        return {
            prediction_id: (Verdict(verdict), Reason(reason), version)
            for prediction_id, verdict, reason, version in await self._database.rows("judged", parameters)
        }

    async def budget_spent(self, task_id: str, hours: Sequence[int]) -> dict[int, int]:
        """Every hour that was asked for; 0 where nothing was spent."""
        rows = await self._database.rows("budget_spent", {"task": task_key(task_id), "hours": Bigints(hours)})
        return dict.fromkeys(hours, 0) | dict(rows)

    async def record_verdicts(self, task_id: str, rows: VerdictRows, expected_spent: Mapping[int, int]) -> bool:
        if not rows.prediction_ids:
            return True
        hours = [time_us // HOUR_US for time_us in rows.event_times_us]
        seen = dict.fromkeys(hours, 0) | dict(expected_spent)
        paid = Counter(hour for hour, reason in zip(hours, rows.reasons, strict=True) if reason is Reason.WITHIN_BUDGET)
        parameters = {
            "task": task_key(task_id),
            "policy_version": rows.policy_version,
            "evidence": rows.evidence,
            "ids": id_parameters(rows.prediction_ids)["ids"],
            "verdicts": Texts(rows.verdicts),
            "reasons": Texts(rows.reasons),
            "seen_hours": Bigints(list(seen)),
            "seen_spent": Bigints(list(seen.values())),
            "paid_hours": Bigints(list(paid)),
            "paid": Bigints(list(paid.values())),
        }
        try:
            return await self.with_weeks(rows.prediction_ids, lambda: self._record(task_id, parameters))
        except EngineError as error:
            if caused_by(error, psycopg.errors.UniqueViolation):
                return False
            raise

    async def _record(self, task_id: str, parameters: dict[str, object]) -> bool:
        """Locks the chain first, so that the second statement sees what the gate before this one wrote."""
        if task_id == WHOLE_SYSTEM:  # it has a chain, of something else
            raise unknown_task(task_id)
        async with (
            self._database.connection("record_verdicts") as connection,
            connection.pipeline(),
            connection.transaction(),
        ):
            lock = await connection.execute(self._database.query("lock_chain"), parameters)
            record = await connection.execute(self._database.query("record_verdicts"), parameters)
            locked, recorded = await lock.fetchone(), record.rowcount
        if locked is None:
            raise unknown_task(task_id)
        return recorded == 1

    async def evidence(self, task_id: str, after: int = 0, limit: int = 1000) -> list[tuple[int, bytes]]:
        parameters = {"task": task_key(task_id), "after": after, "limit": limit}
        links = await self._database.rows("chain_links", parameters)
        return [(number, evidence) for number, _, _, evidence, _ in links]

    async def verify_chain(self, task_id: str) -> int:
        head = await self._database.rows("chain_head", {"task": task_key(task_id)})
        if not head:
            raise unknown_task(task_id)
        length, end = head[0]
        digest, link = CHAIN_START, 0
        while link < length:
            parameters = {"task": task_key(task_id), "after": link, "limit": min(LINKS_READ, length - link)}
            links = await self._database.rows("chain_links", parameters)
            if not links:
                raise _broken(task_id, link + 1)
            for number, previous, stated, evidence, _ in links:
                link += 1
                if number != link or previous != digest:
                    raise _broken(task_id, link)
                digest = hashlib.sha256(digest + evidence).digest()
                if digest != stated:
                    raise _broken(task_id, link)
        if digest != end:
            raise _broken(task_id, length)
        return link


def _broken(task_id: str, link: int) -> SealBroken:
    return SealBroken(
        f"link {link} of the verdict chain was changed or is missing",
        where=f"verdict_log of task {task_id}",
        fix="compare it with a backup; verdicts from that link on are not proven",
    )
