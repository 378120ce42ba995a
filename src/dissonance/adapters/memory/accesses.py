"""The audit trail in memory (`ports.accesses.AccessStore`)."""

from __future__ import annotations

from collections import Counter

from dissonance.adapters.memory.held import Held
from dissonance.contracts.accesses import AccessBatch, Outcome
from dissonance.ports.accesses import EVERY, Denied, KeptAccess, WantedAccesses


class MemoryAccesses(Held):
    async def record_accesses(self, batch: AccessBatch) -> int:
        self._require()
        known = self._batches.get(batch.batch_id)
        if known is not None:
            return known
        link = self._batches[batch.batch_id] = self._system.add_link(batch.evidence())
        self._accesses += [KeptAccess(link, position, each) for position, each in enumerate(batch.accesses)]
        return link

    async def accesses(self, wanted: WantedAccesses = EVERY, limit: int = 100) -> list[KeptAccess]:
        self._require()
        newest = sorted(self._accesses, key=lambda kept: (-kept.link, kept.position))
        return [kept for kept in newest if wanted.includes(kept.access)][:limit]

    async def accesses_of(self, first: int, last: int) -> list[KeptAccess]:
        self._require()
        return [kept for kept in self._accesses if first <= kept.link <= last]

    async def denied_since(self, start_us: int) -> list[Denied]:
        self._require()
        counts: Counter[tuple[str, str]] = Counter()
        for _, _, access in self._accesses:
            if access.outcome is Outcome.DENIED and access.last_us >= start_us:
                counts[access.source, access.who] += access.count
        return sorted((Denied(*key, count) for key, count in counts.items()), key=lambda each: (-each.attempts, each))
