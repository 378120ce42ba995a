"""The audit trail: batches in the hash chain of the whole system, and the accesses in them to be found by."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import msgspec

from dissonance.adapters.postgres.part import StorePart
from dissonance.contracts.accesses import Access, AccessBatch, Outcome
from dissonance.errors import RecordBroken
from dissonance.ports.accesses import EVERY, Denied, KeptAccess, WantedAccesses

COLUMNS = Access.__struct_fields__


class PostgresAccesses(StorePart):
    """`ports.accesses.AccessStore`."""

    async def record_accesses(self, batch: AccessBatch) -> int:
        parameters = {
            "batch": UUID(hex=batch.batch_id),
            "evidence": batch.evidence(),
            "rows": msgspec.json.encode(batch.accesses).decode(),
        }
        ((link,),) = await self._database.rows("record_accesses", parameters)
        if link is None:
            raise RecordBroken("the chain of accesses is gone", where="chain_heads", fix="restore the database")
        return int(link)

    async def accesses(self, wanted: WantedAccesses = EVERY, limit: int = 100) -> list[KeptAccess]:
        parameters = {
            **wanted._asdict(),
            "what": None if wanted.what is None else wanted.what.lower(),
            "outcome": None if wanted.outcome is None else wanted.outcome.value,
            "limit": limit,
        }
        return [_kept(row) for row in await self._database.rows("accesses", parameters)]

    async def accesses_of(self, first: int, last: int) -> list[KeptAccess]:
        rows = await self._database.rows("accesses_of", {"first": first, "last": last})
        return [_kept(row) for row in rows]

    async def denied_since(self, start_us: int) -> list[Denied]:
        rows = await self._database.rows("denied_since", {"start_us": start_us})
        return [Denied(source, who, int(attempts)) for source, who, attempts in rows]


def _kept(row: tuple[Any, ...]) -> KeptAccess:
    link, position, *values = row
    given = dict(zip(COLUMNS, values, strict=True))
    return KeptAccess(link, position, Access(**{**given, "outcome": Outcome(given["outcome"])}))
