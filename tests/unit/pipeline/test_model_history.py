"""What happened to each version, which one answered at a time, and who answered where several have one digest."""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest

from dissonance.contracts.events import CANARY_ARM, PRODUCTION_ARM
from dissonance.contracts.evidence import DecisionKind
from dissonance.contracts.policy import Policy
from dissonance.contracts.schema import Task
from dissonance.decisions.evidence.bundle import ModelEvidence
from dissonance.decisions.timeline import InForce
from dissonance.errors import SealBroken
from dissonance.pipeline.model_history import REGISTERED, at, history
from dissonance.pipeline.who_answered import who_answered
from dissonance.ports.registry import ModelRole
from support.decided import NAME, decided_task
from support.evidence import bundle_of, decision_from
from support.store import RowMaker
from support.updates import judged_update
from support.workshop import Workshop, workshop

SECOND_US = 1_000_000
SAME, OTHER, CRITIC, CRITIC_OF_THE_SAME = "a1" * 32, "a2" * 32, "c1" * 32, "c2" * 32


def test_history_tells_of_each_version_what_happened_when_by_whom_and_why() -> None:
    told = decided_task()
    _, found = asyncio.run(history(told.work, NAME))
    two, one = ([each.what for each in version.happened] for version in found)
    assert [version.version.version for version in found] == [2, 1]
    assert one == [
        REGISTERED,
        "promoted",
        "replaced by version 2",
        "back in production after version 2",
        "replaced by version 2",
        "back in production after version 2",
        "rolled_back",
    ]
    assert two == [
        REGISTERED,
        "accepted",
        "canary",
        "promoted",
        "rolled_back",
        "refused",
        "overridden",
        "promoted",
        "rolled_back",
        "back in production after version 1",
    ]
    overridden = found[0].happened[6]
    assert (overridden.by, overridden.why, len(overridden.decision_id)) == ("ann", "it is needed", 64)
    assert found[0].version.in_production


def test_who_answered_at_a_time_is_told_by_decisions_and_by_stored_answers() -> None:
    told = decided_task()
    decided = asyncio.run(told.work.store.decisions(told.task.task_id))[::-1]
    canary = decided[2].decision.decided_at_us
    found = asyncio.run(at(told.work, NAME, canary + SECOND_US))
    assert found.by_clock == found.by_event_time == InForce(1, 2, 0.5)
    assert found.rows[2, CANARY_ARM] > 0
    end = asyncio.run(at(told.work, NAME, told.work.clock.now_us()))
    assert end.by_clock == InForce(2)
    assert end.rows == Counter({(2, PRODUCTION_ARM): 400, (None, PRODUCTION_ARM): 400, (2, CANARY_ARM): 60})
    before = asyncio.run(at(told.work, NAME, told.task.created_at_us - SECOND_US))
    assert (before.by_clock, before.by_event_time) == (InForce(None), InForce(1))


class Alike:
    """Versions 1 and 3 have one digest. Version 1 is in production from 10 s on, version 2 from 20 s on, 3 on its
    canary from 30 s on."""

    def __init__(self) -> None:
        self.make = RowMaker("alike")
        self.work: Workshop = workshop()
        self.task: Task = self.make.task()
        self.start_us = self.work.clock.now_us()

    async def fill(self) -> None:
        await self.work.store.create(self.task, Policy())
        for number, digest in enumerate((SAME, OTHER, SAME), start=1):
            self._register(ModelRole.PROPOSER, digest, number - 1 or None)
            self._register(ModelRole.CRITIC, CRITIC if digest == OTHER else CRITIC_OF_THE_SAME, number)
        await self._decide(DecisionKind.PROMOTED, 1, 1, 10)
        await self._decide(DecisionKind.PROMOTED, 2, 2, 20)
        await self._decide(DecisionKind.CANARY, 3, 2, 30)

    async def answered(
        self, seconds: int, digest: str, arm: str, shadow: str = ""
    ) -> tuple[int | None, int | None, int | None]:
        """The versions that are found for a row of this time."""
        judged = self.make.judged(
            self.task.task_id,
            1,
            model_digest=digest,
            critic_digest=CRITIC if digest == OTHER else CRITIC_OF_THE_SAME,
            shadow_digest=shadow,
            canary_arms=[arm],
            processing_times_us=[self.start_us + seconds * SECOND_US],
        )
        await self.work.store.record([judged])
        found = await who_answered(self.work, self.task.name, judged.prediction_ids[0])
        return found.version, found.critic_version, found.shadow_version

    def _register(self, role: ModelRole, digest: str, parent: int | None) -> None:
        task = self.task
        self.work.registry.register(
            task.task_id, task.name, role, b"", digest, metrics={}, parameters={}, parent=parent
        )

    async def _decide(self, kind: DecisionKind, version: int, production: int, seconds: int) -> None:
        bundle = bundle_of(
            kind,
            cause=f"{kind.value} {version}",
            task_id=self.task.task_id,
            candidate=ModelEvidence(version=version, digest=SAME),
            production=production,
            decided_at_us=self.start_us + seconds * SECOND_US,
        )
        await self.work.store.record_decision(decision_from(bundle, self.work.artefact_keys))


def test_of_several_versions_with_one_digest_the_one_that_was_serving_then_answered() -> None:
    async def story() -> None:
        alike = Alike()
        await alike.fill()
        assert await alike.answered(15, SAME, PRODUCTION_ARM) == (1, 1, None)
        assert await alike.answered(25, OTHER, PRODUCTION_ARM) == (2, 2, None)
        assert await alike.answered(35, SAME, CANARY_ARM, OTHER) == (3, 3, 2)
        assert await alike.answered(35, OTHER, PRODUCTION_ARM, SAME) == (2, 2, 3)
        assert await alike.answered(5, SAME, PRODUCTION_ARM) == (3, 3, None), "nothing was decided then"

    asyncio.run(story())


def test_judgements_from_before_decisions_were_kept_are_told_once() -> None:
    async def story() -> None:
        alike = Alike()
        await alike.fill()
        earlier = judged_update(alike.task.task_id, 3, "earlier")
        evidence = decision_from(bundle_of(task_id=alike.task.task_id, cause="of another form"))
        await alike.work.store.record_update(earlier, evidence)
        alike.work.store.rows_of(alike.task.task_id).decisions.pop()
        _, found = await history(alike.work, alike.task.name)
        told = [each for each in found[0].happened if each.what == "accepted"]
        assert [(each.by, each.event_time_us, each.decision_id) for each in told] == [("gate", None, "")]

    asyncio.run(story())


def test_a_forged_decision_is_no_history() -> None:
    async def story() -> None:
        alike = Alike()
        await alike.fill()
        rows = alike.work.store.rows_of(alike.task.task_id)
        rows.chain[1] = rows.chain[1]._replace(evidence=rows.chain[1].evidence.replace(b"ann", b"bob"))
        for asked in (history(alike.work, alike.task.name), at(alike.work, alike.task.name, 0)):
            with pytest.raises(SealBroken):
                await asked

    asyncio.run(story())
