"""Does the hash chain of the audit trail hold, and is what accesses are found by what it holds? Pure (ADR 54)."""

from __future__ import annotations

from collections.abc import Sequence

from dissonance.contracts.accesses import Access, read_batch
from dissonance.contracts.events import WHOLE_SYSTEM
from dissonance.decisions.evidence.links import Broken, Fault, LinkCheck
from dissonance.ports.accesses import KeptAccess
from dissonance.ports.decisions import ChainHead, ChainLink


class AccessCheck(LinkCheck):
    """Before links are added, tell with `indexed` what is indexed under them. `attempts`: sum of what was counted."""

    def __init__(self, head: ChainHead, lines: Sequence[bytes], public_key: bytes) -> None:
        super().__init__(WHOLE_SYSTEM, head, lines, public_key)
        self._indexed: dict[int, list[Access]] = {}
        self.accesses = 0
        self.attempts = 0

    def indexed(self, kept: Sequence[KeptAccess]) -> None:
        """In the order of their positions."""
        self._indexed.clear()
        for each in kept:
            self._indexed.setdefault(each.link, []).append(each.access)

    def _content(self, link: ChainLink) -> Broken | None:
        batch = read_batch(link.evidence)
        if batch is None:
            return Broken(Fault.LINK_CHANGED, link.number, f"link {link.number} holds no accesses")
        if batch.accesses != self._indexed.get(link.number, []):
            what = f"the accesses that are listed under link {link.number} are not those that it holds"
            return Broken(Fault.INDEX_DIFFERS, link.number, what)
        self._names(batch.anchor, link.number)
        self.accesses += len(batch.accesses)
        self.attempts += sum(access.count for access in batch.accesses)
        return None
