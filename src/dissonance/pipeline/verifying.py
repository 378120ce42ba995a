"""A chain of decisions and verdicts, verified against signatures, anchors, golden rows and the tables beside it; and
decisions made again from their bundles alone."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import NamedTuple

from dissonance.contracts.policy import Policy
from dissonance.contracts.schema import Task
from dissonance.decisions.evidence.again import Compared, compared
from dissonance.decisions.evidence.bundle import Bundle, read_bundle
from dissonance.decisions.evidence.chain import ChainCheck
from dissonance.decisions.evidence.links import Broken, Fault
from dissonance.decisions.evidence.listed import Listed, ListedCheck
from dissonance.errors import SealBroken
from dissonance.pipeline.golden_digest import golden_digest
from dissonance.pipeline.workshop import Workshop
from dissonance.ports.decisions import ALL, ChainLink, KeptDecision, Wanted
from dissonance.security.evidence import open_bundle

LINKS_AT_ONCE = 500
MOST_DECISIONS = 100_000

PolicyOf = Callable[[Policy], Policy]
"""From the policy that a decision rested on to the one to decide by now."""


class Verified(NamedTuple):
    """`links` of the chain were walked, `decisions` among them; `broken`: the first thing that does not hold."""

    task: Task
    links: int
    decisions: int
    anchors: int
    broken: Broken | None


async def verify_decisions(
    workshop: Workshop, name: str, progress: Callable[[int, int], None] = lambda done, total: None
) -> Verified:
    """`progress` is told links done and in all. What is added meanwhile is left to the next time.

    Raises `UnknownTask`, `RecordBroken` for a bundle of another release, `StorageError` or `EngineUnavailable`.
    """
    task = await workshop.store.by_name(name)
    # Anchors first: one that is written later may be of a link that the chain did not have when its head was read.
    lines = await asyncio.to_thread(workshop.anchors.lines, task.task_id)
    sure_to = (await workshop.store.chain_head(task.task_id)).link
    listed = ListedCheck(await _listed(workshop, task), sure_to)
    head = await workshop.store.chain_head(task.task_id)
    public_key = workshop.artefact_keys.verification
    check = ChainCheck(task.task_id, head, lines, public_key, await golden_digest(workshop, task), listed.add)
    after = 0
    while after < head.link and check.broken is None:
        links = await workshop.store.chain_links(task.task_id, after, min(LINKS_AT_ONCE, head.link - after))
        if not links:
            break
        await asyncio.to_thread(_add, check, links)
        after = links[-1].number
        progress(after, head.link)
    lines = await asyncio.to_thread(workshop.anchors.lines, task.task_id)
    broken = await asyncio.to_thread(check.result, lines, workshop.clock.now_us())
    if broken is None and (differs := listed.differs()) is not None:
        broken = Broken(Fault.TABLE_DIFFERS, *differs)
    return Verified(task, after, check.decisions, len(lines), broken)


class DecidedAgain(NamedTuple):
    """`decision_id` at `link` of the chain, beside what comes out now."""

    link: int
    decision_id: str
    bundle: Bundle
    compared: Compared


async def replay_decisions(
    workshop: Workshop, name: str, policy_of: PolicyOf, wanted: Wanted = ALL
) -> tuple[Task, list[DecidedAgain]]:
    """Every decision that is wanted, newest first, made again from its bundle alone.

    Raises `UnknownTask`, `SealBroken` for a bundle whose signature does not hold, `RecordBroken` for one of another
    release, or `EngineUnavailable`.
    """
    task = await workshop.store.by_name(name)
    found = await workshop.store.decisions(task.task_id, wanted, MOST_DECISIONS)
    return task, [decide_again(kept, workshop.artefact_keys.verification, policy_of) for kept in found]


def decide_again(kept: KeptDecision, public_key: bytes, policy_of: PolicyOf) -> DecidedAgain:
    """Raises as `replay_decisions` does."""
    bundle = proven_bundle(kept, public_key)
    return DecidedAgain(kept.link, kept.decision.decision_id, bundle, compared(bundle, policy_of(bundle.policy)))


def proven_bundle(kept: KeptDecision, public_key: bytes) -> Bundle:
    """Raises `SealBroken` or `RecordBroken`."""
    signed = open_bundle(kept.decision.evidence)
    if signed is None or not signed.is_signed_by(public_key):
        raise SealBroken(
            f"the signature of the decision of link {kept.link} does not hold",
            where="hash chain",
            fix="dissonance decisions verify says what is broken",
        )
    return read_bundle(signed.body)


async def _listed(workshop: Workshop, task: Task) -> Listed:
    return Listed(
        await workshop.store.rollouts(task.task_id, MOST_DECISIONS),
        await workshop.store.updates(task.task_id, MOST_DECISIONS),
    )


def _add(check: ChainCheck, links: Sequence[ChainLink]) -> None:
    for link in links:
        check.add(link)
