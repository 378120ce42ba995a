"""The head of a task's hash chain, signed and written down outside the database (ADR 45)."""

from __future__ import annotations

import asyncio
import logging

from dissonance.contracts.events import WHOLE_SYSTEM
from dissonance.contracts.schema import Task
from dissonance.errors import EngineError, StorageError, UnknownTask
from dissonance.pipeline.workshop import Workshop
from dissonance.ports.decisions import ChainHead
from dissonance.security.evidence import Anchor, anchor_line, line_digest, read_anchor
from dissonance.telemetry.logs import log
from dissonance.telemetry.names import LogAction

TRIES = 8
ACCESSES = "accesses"
"""Name of the chain of the whole system in the log."""

_logger = logging.getLogger(__name__)


class ChainAnchoring:
    """`roles.anchoring.Anchoring`."""

    def __init__(self, workshop: Workshop) -> None:
        self._workshop = workshop

    async def anchor_all(self) -> None:
        for task in await self._workshop.store.all():
            await anchor(self._workshop, task)
        await anchor_chain(self._workshop, WHOLE_SYSTEM, ACCESSES)


async def anchor(workshop: Workshop, task: Task) -> bool:
    """As `anchor_chain`, of the task's chain."""
    return await anchor_chain(workshop, task.task_id, task.name)


async def anchor_chain(workshop: Workshop, chain_id: str, name: str) -> bool:
    """Add an anchor if the chain has grown since the last one; whether one was added.

    What was decided stands whether or not this succeeds: a disk or an engine that is away is logged, and whoever is
    next anchors for all before. A chain that is not the one of the last anchor gets no other, and that is logged:
    nothing may vouch for it.
    """
    try:
        for _ in range(TRIES):
            last = await asyncio.to_thread(workshop.anchors.last, chain_id)
            head = await workshop.store.chain_head(chain_id)
            before = None if last is None else read_anchor(last, workshop.artefact_keys.verification)
            why_not = await _contradiction(workshop, last, before, head)
            if why_not:
                log(_logger, LogAction.CHAIN_CONTRADICTED, logging.ERROR, task=name, why=why_not)
                return False
            if head.link == (0 if before is None else before.link):
                return False
            made = Anchor(
                task_id=chain_id,
                link=head.link,
                digest=head.digest.hex(),
                number=1 if before is None else before.number + 1,
                previous=line_digest(last),
                at_us=workshop.clock.now_us(),
            )
            line = anchor_line(made, workshop.artefact_keys)
            if await asyncio.to_thread(workshop.anchors.append, chain_id, line, last):
                log(_logger, LogAction.CHAIN_ANCHORED, task=name, link=made.link, digest=made.digest)
                return True
    except (EngineError, UnknownTask) as error:
        log(_logger, LogAction.ANCHOR_FAILED, logging.ERROR, task=name, why=str(error))
    return False


async def last_anchor_digest(workshop: Workshop, task: Task) -> str:
    """Of the last anchor's line; empty where there is none, or its disk is away."""
    try:
        return line_digest(await asyncio.to_thread(workshop.anchors.last, task.task_id))
    except StorageError as error:
        log(_logger, LogAction.ANCHOR_FAILED, logging.ERROR, task=task.name, why=str(error))
        return ""


async def _contradiction(workshop: Workshop, last: bytes | None, before: Anchor | None, head: ChainHead) -> str:
    """How the chain is not the one that the last anchor saw; empty when it is."""
    if last is None:
        return ""
    if before is None:
        return "the last anchor was changed, or is signed by another system"
    if head.link < before.link:
        return f"the chain ends with link {head.link}, the last anchor saw link {before.link}"
    digest = head.digest
    if head.link > before.link:
        links = await workshop.store.chain_links(before.task_id, before.link - 1, 1)
        digest = links[0].digest if links else b""
    if digest.hex() != before.digest:
        return f"link {before.link} is not the one that the last anchor saw"
    return ""
