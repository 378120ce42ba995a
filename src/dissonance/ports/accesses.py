"""The audit trail as the store keeps it (part of `ports.store.Store`): batches are links of the hash chain of
`WHOLE_SYSTEM`, whose head and links `ports.decisions.DecisionStore` gives; what is here finds accesses in them."""

from __future__ import annotations

from typing import NamedTuple, Protocol

from dissonance.contracts.accesses import Access, AccessBatch, Outcome


class WantedAccesses(NamedTuple):
    """That ended in `[start_us, end_us)`; of anybody, and so on, where nothing is named. `what`: a part of it, in any
    case of letters."""

    who: str | None = None
    what: str | None = None
    task: str | None = None
    source: str | None = None
    outcome: Outcome | None = None
    start_us: int = -(2**62)
    end_us: int = 2**62

    def includes(self, access: Access) -> bool:
        return (
            self.who in (None, access.who)
            and self.task in (None, access.task)
            and self.source in (None, access.source)
            and self.outcome in (None, access.outcome)
            and (self.what or "").lower() in access.what.lower()
            and self.start_us <= access.last_us < self.end_us
        )


EVERY = WantedAccesses()


class KeptAccess(NamedTuple):
    """At `position` (from 0) of the batch that `link` holds."""

    link: int
    position: int
    access: Access


class Denied(NamedTuple):
    """How many attempts from one place, by one holder, were denied."""

    source: str
    who: str
    attempts: int


class AccessStore(Protocol):
    async def record_accesses(self, batch: AccessBatch) -> int:
        """Add one link; returns it. The same `batch_id` is kept once and keeps its link."""
        ...

    async def accesses(self, wanted: WantedAccesses = EVERY, limit: int = 100) -> list[KeptAccess]:
        """Newest link first."""
        ...

    async def accesses_of(self, first: int, last: int) -> list[KeptAccess]:
        """All that are indexed under links `first` to `last`, in order; nothing is checked."""
        ...

    async def denied_since(self, start_us: int) -> list[Denied]:
        """Of accesses that ended since then; the most first."""
        ...
