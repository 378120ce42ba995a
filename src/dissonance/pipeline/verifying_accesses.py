"""The audit trail, verified against its anchors and against what it is searched by."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import NamedTuple

from dissonance.contracts.events import WHOLE_SYSTEM
from dissonance.decisions.evidence.accesses import AccessCheck
from dissonance.decisions.evidence.links import Broken, Fault
from dissonance.pipeline.workshop import Workshop
from dissonance.ports.accesses import KeptAccess
from dissonance.ports.decisions import ChainLink

LINKS_AT_ONCE = 200


class VerifiedAccesses(NamedTuple):
    """`links` were walked, with so many `accesses` in them that stand for `attempts`; `broken`: the first thing that
    does not hold."""

    links: int
    accesses: int
    attempts: int
    anchors: int
    broken: Broken | None


async def verify_accesses(
    workshop: Workshop, progress: Callable[[int, int], None] = lambda done, total: None
) -> VerifiedAccesses:
    """`progress` is told links done and in all. Raises `StorageError` or `EngineUnavailable`."""
    # Anchors first, as in `pipeline.verifying`.
    lines = await asyncio.to_thread(workshop.anchors.lines, WHOLE_SYSTEM)
    head = await workshop.store.chain_head(WHOLE_SYSTEM)
    check = AccessCheck(head, lines, workshop.artefact_keys.verification)
    after = 0
    while after < head.link and check.broken is None:
        links = await workshop.store.chain_links(WHOLE_SYSTEM, after, min(LINKS_AT_ONCE, head.link - after))
        if not links:
            break
        kept = await workshop.store.accesses_of(after + 1, links[-1].number)
        await asyncio.to_thread(_add, check, links, kept)
        after = links[-1].number
        progress(after, head.link)
    lines = await asyncio.to_thread(workshop.anchors.lines, WHOLE_SYSTEM)
    broken = await asyncio.to_thread(check.result, lines, workshop.clock.now_us()) or await _beyond(workshop, head.link)
    return VerifiedAccesses(after, check.accesses, check.attempts, len(lines), broken)


async def _beyond(workshop: Workshop, link: int) -> Broken | None:
    """Accesses that are listed and in no link. What was added meanwhile has its link by now."""
    newest = await workshop.store.accesses(limit=1)
    if not newest or newest[0].link <= (await workshop.store.chain_head(WHOLE_SYSTEM)).link:
        return None
    return Broken(Fault.INDEX_DIFFERS, newest[0].link, f"accesses are listed beyond the chain, which ends with {link}")


def _add(check: AccessCheck, links: Sequence[ChainLink], kept: Sequence[KeptAccess]) -> None:
    check.indexed(kept)
    for link in links:
        check.add(link)
