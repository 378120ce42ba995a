"""The audit trail is verified: whoever owns the database and changes something in it is found out."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
from msgspec.structs import replace

from dissonance.adapters.memory.task_rows import Chain
from dissonance.contracts.events import WHOLE_SYSTEM
from dissonance.decisions.evidence.links import Fault
from dissonance.pipeline.anchoring import ACCESSES, ChainAnchoring, anchor_chain
from dissonance.pipeline.verifying_accesses import VerifiedAccesses, verify_accesses
from dissonance.ports.accesses import KeptAccess
from dissonance.security.evidence import line_digest
from support.accesses import access, batch, denied
from support.workshop import Workshop, workshop


async def recorded(work: Workshop) -> None:
    """Three links, anchored after the second and the third; the third names the anchor before it."""
    await work.store.record_accesses(batch(1, access(1), denied(2, count=5)))
    await work.store.record_accesses(batch(2, access(3)))
    assert await anchor_chain(work, WHOLE_SYSTEM, ACCESSES)
    last = line_digest(work.anchors.last(WHOLE_SYSTEM))
    await work.store.record_accesses(batch(3, denied(4), anchor=last))
    await ChainAnchoring(work).anchor_all()


def verified(tamper: Callable[[Workshop], None] = lambda work: None) -> VerifiedAccesses:
    async def run() -> VerifiedAccesses:
        work = workshop()
        await recorded(work)
        tamper(work)
        return await verify_accesses(work)

    return asyncio.run(run())


def test_a_trail_that_nobody_touched_holds() -> None:
    assert verified() == VerifiedAccesses(links=3, accesses=4, attempts=8, anchors=2, broken=None)


def test_an_empty_trail_holds() -> None:
    async def run() -> VerifiedAccesses:
        return await verify_accesses(workshop())

    assert asyncio.run(run()) == VerifiedAccesses(0, 0, 0, 0, None)


def again(work: Workshop, evidence: list[bytes]) -> None:
    """All links anew over this evidence, as who can write to the database would."""
    work.store._system = Chain()
    for each in evidence:
        work.store._system.add_link(each)


def change_evidence(work: Workshop) -> None:
    chain = work.store._system.chain
    chain[0] = chain[0]._replace(evidence=chain[0].evidence.replace(b"ann", b"eve"))


def rewrite_from_the_first(work: Workshop) -> None:
    again(work, [link.evidence.replace(b"ann", b"eve") for link in work.store._system.chain])


def cut_the_end(work: Workshop) -> None:
    again(work, [link.evidence for link in work.store._system.chain[:2]])
    work.store._accesses[:] = work.store._accesses[:3]


def hide_an_access(work: Workshop) -> None:
    del work.store._accesses[1]


def list_one_that_was_not(work: Workshop) -> None:
    work.store._accesses.append(KeptAccess(4, 0, denied(9)))


def take_anchors_away(work: Workshop) -> None:
    work.anchors.kept[WHOLE_SYSTEM].clear()


@pytest.mark.parametrize(
    ("tamper", "fault", "link"),
    [
        (change_evidence, Fault.LINK_CHANGED, 1),
        (rewrite_from_the_first, Fault.INDEX_DIFFERS, 1),
        (cut_the_end, Fault.CHAIN_CUT, 3),
        (hide_an_access, Fault.INDEX_DIFFERS, 1),
        (list_one_that_was_not, Fault.INDEX_DIFFERS, 4),
        (take_anchors_away, Fault.ANCHOR_MISSING, 3),
    ],
)
def test_what_was_tampered_with_is_named(tamper: Callable[[Workshop], None], fault: Fault, link: int) -> None:
    broken = verified(tamper).broken
    assert broken is not None
    assert (broken.fault, broken.link) == (fault, link)


def test_who_rewrites_chain_and_index_alike_is_told_by_the_anchor() -> None:
    def rewrite(work: Workshop) -> None:
        rewrite_from_the_first(work)
        work.store._accesses[:] = [
            kept._replace(access=replace(kept.access, who="eve")) for kept in work.store._accesses
        ]

    broken = verified(rewrite).broken
    assert broken is not None
    assert (broken.fault, broken.link) == (Fault.CHAIN_REPLACED, 2)
