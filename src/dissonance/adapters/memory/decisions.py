"""Decisions on models in memory (`ports.decisions.DecisionStore`)."""

from __future__ import annotations

from msgspec.structs import replace

from dissonance.adapters.memory.held import Held
from dissonance.contracts.events import WHOLE_SYSTEM
from dissonance.contracts.evidence import DecisionKind
from dissonance.ports.decisions import ALL, ChainHead, ChainLink, Decision, KeptDecision, Wanted


class MemoryDecisions(Held):
    async def record_decision(self, decision: Decision) -> int:
        known = await self.decision_of(decision.task_id, decision.cause)
        return self._of(decision.task_id).add_decision(decision) if known is None else known.link

    async def decisions(self, task_id: str, wanted: Wanted = ALL, limit: int = 100) -> list[KeptDecision]:
        kinds = wanted.kinds or tuple(DecisionKind)
        found = [
            kept
            for kept in reversed(self._kept(task_id))
            if kept.decision.kind in kinds
            and wanted.version in (None, kept.decision.version)
            and wanted.start_us <= kept.decision.decided_at_us < wanted.end_us
        ]
        return found[:limit]

    async def decisions_named(self, task_id: str, start: str) -> list[KeptDecision]:
        return [kept for kept in self._kept(task_id) if kept.decision.decision_id.startswith(start)][:2]

    async def decision_of(self, task_id: str, cause: str) -> KeptDecision | None:
        return next((kept for kept in self._kept(task_id) if kept.decision.cause == cause), None)

    async def chain_head(self, task_id: str) -> ChainHead:
        return ChainHead(*self._chain(task_id).head)

    async def chain_links(self, task_id: str, after: int = 0, limit: int = 500) -> list[ChainLink]:
        known = self._system if task_id == WHOLE_SYSTEM else self._known(task_id)
        chain = [] if known is None else known.chain
        indexed = {kept.link: kept.decision.decision_id for kept in self._kept(task_id)}
        before = [bytes(32), *(link.digest for link in chain)]
        return [
            ChainLink(number, before[number - 1], link.digest, link.evidence, indexed.get(number, ""))
            for number, link in enumerate(chain[after : after + limit], start=after + 1)
        ]

    def _kept(self, task_id: str) -> list[KeptDecision]:
        """As the evidence of each is in the chain now, which a test may have tampered with."""
        known = self._known(task_id)
        if known is None:
            return []
        return [
            kept._replace(decision=_with(kept.decision, known.chain[kept.link - 1].evidence))
            for kept in known.decisions
            if kept.link <= len(known.chain)
        ]


def _with(decision: Decision, evidence: bytes) -> Decision:
    return decision if decision.evidence is evidence else replace(decision, evidence=evidence)
