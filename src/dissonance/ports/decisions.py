"""Decisions on models as the store keeps them: each is one link of its task's hash chain (part of `ports.store.Store`).

The evidence of a link is what is proven; what stands beside it here is an index to find it by.
"""

from __future__ import annotations

from typing import NamedTuple, Protocol

import msgspec

from dissonance.contracts.evidence import DecisionKind


class Decision(msgspec.Struct, frozen=True, kw_only=True):
    """`decision_id`: SHA-256 of the bundle, 64 hex digits. `cause`: what it follows from, and so at most once in a
    task. `version`: the one that it is about. `evidence`: the signed bundle (`security.evidence`)."""

    task_id: str
    decision_id: str
    cause: str
    kind: DecisionKind
    version: int
    decided_at_us: int
    evidence: bytes


class KeptDecision(NamedTuple):
    """`link` of the chain holds it."""

    link: int
    decision: Decision


class Wanted(NamedTuple):
    """Decided in `[start_us, end_us)`; of any kind, or any version, where none is named."""

    kinds: tuple[DecisionKind, ...] = ()
    version: int | None = None
    start_us: int = -(2**62)
    end_us: int = 2**62


ALL = Wanted()


class ChainLink(NamedTuple):
    """`digest`: SHA-256 of `previous`, followed by `evidence`; the first link follows 32 zero bytes. `decision_id`: of
    the decision that is indexed under it, empty where none is."""

    number: int
    previous: bytes
    digest: bytes
    evidence: bytes
    decision_id: str = ""


class ChainHead(NamedTuple):
    """Number and digest of the last link; 0 and 32 zero bytes of an empty chain."""

    link: int
    digest: bytes


class DecisionStore(Protocol):
    async def record_decision(self, decision: Decision) -> int:
        """Add one link; returns it. The same `cause` is kept once and keeps its link. Raises `UnknownTask`."""
        ...

    async def decisions(self, task_id: str, wanted: Wanted = ALL, limit: int = 100) -> list[KeptDecision]:
        """Newest first."""
        ...

    async def decisions_named(self, task_id: str, start: str) -> list[KeptDecision]:
        """Those whose id starts so, at most two."""
        ...

    async def decision_of(self, task_id: str, cause: str) -> KeptDecision | None: ...

    async def chain_head(self, task_id: str) -> ChainHead:
        """Raises `UnknownTask`."""
        ...

    async def chain_links(self, task_id: str, after: int = 0, limit: int = 500) -> list[ChainLink]:
        """Links as they are stored, in order, those above `after`; nothing is checked."""
        ...
