"""Which model gave an answer is found by what is stored with the row, also while two models share the traffic."""

from __future__ import annotations

import asyncio

import pytest

from dissonance.contracts.events import CANARY_ARM
from dissonance.contracts.policy import Policy
from dissonance.errors import UnknownPrediction, UnknownTask
from dissonance.pipeline.who_answered import IDS_AT_ONCE, WhoAnswered, who_answered, who_answered_each
from dissonance.ports.registry import ModelRole
from support.store import RowMaker, labels
from support.workshop import Workshop, workshop

PROPOSERS = ["a1" * 32, "a2" * 32]
CRITICS = ["c1" * 32, "c2" * 32]


def registered(work: Workshop, task_id: str, name: str) -> None:
    """Two versions of proposer and critic."""
    for role, digests in ((ModelRole.PROPOSER, PROPOSERS), (ModelRole.CRITIC, CRITICS)):
        for digest in digests:
            work.registry.register(task_id, name, role, b"artefact", digest, metrics={}, parameters={}, parent=None)


async def of_rows(digests: list[tuple[str, str, str]], arm: str = "production") -> list[WhoAnswered]:
    """What is found for one row of each of (model, critic, shadow)."""
    make, work = RowMaker("who"), workshop()
    task = make.task()
    await work.store.create(task, Policy())
    registered(work, task.task_id, task.name)
    found = []
    for model, critic, shadow in digests:
        judged = make.judged(
            task.task_id, 1, model_digest=model, critic_digest=critic, shadow_digest=shadow, canary_arms=[arm]
        )
        await work.store.record([judged])
        await work.store.add_labels(task.task_id, labels(judged.prediction_ids, [b"x"], [5], [True]))
        found.append(await who_answered(work, task.name, judged.prediction_ids[0]))
    return found


def versions(found: WhoAnswered) -> tuple[int | None, int | None, int | None]:
    return found.version, found.critic_version, found.shadow_version


def test_each_row_is_of_the_version_whose_digest_it_carries() -> None:
    first, second = asyncio.run(of_rows([(PROPOSERS[0], CRITICS[0], ""), (PROPOSERS[1], CRITICS[1], "")]))
    assert (versions(first), versions(second)) == ((1, 1, None), (2, 2, None))
    assert first.row.right is True


def test_a_canary_names_its_shadow() -> None:
    (found,) = asyncio.run(of_rows([(PROPOSERS[1], CRITICS[1], PROPOSERS[0])], CANARY_ARM))
    assert (versions(found), found.row.canary_arm) == ((2, 2, 1), CANARY_ARM)


def test_a_version_that_the_registry_has_no_more_is_not_guessed() -> None:
    (found,) = asyncio.run(of_rows([("ee" * 32, CRITICS[0], "")]))
    assert versions(found) == (None, 1, None)


def test_what_is_not_known_is_refused() -> None:
    async def story() -> None:
        make, work = RowMaker("who"), workshop()
        task = make.task()
        await work.store.create(task, Policy())
        with pytest.raises(UnknownPrediction):
            await who_answered(work, task.name, make.ids.many(1)[0])
        with pytest.raises(UnknownTask):
            await who_answered(work, "nobody", make.ids.many(1)[0])

    asyncio.run(story())


def test_many_are_told_in_the_order_asked_and_progress_goes_on() -> None:
    async def story() -> None:
        make, work = RowMaker("who"), workshop()
        task = make.task()
        await work.store.create(task, Policy())
        registered(work, task.task_id, task.name)
        ids = []
        for model, critic in zip(PROPOSERS, CRITICS, strict=True):
            judged = make.judged(task.task_id, IDS_AT_ONCE, model_digest=model, critic_digest=critic)
            await work.store.record([judged])
            ids += judged.prediction_ids
        told: list[tuple[int, int]] = []
        found = await who_answered_each(work, task.name, ids[::-1], lambda done, total: told.append((done, total)))
        assert [each.row.prediction_id for each in found] == ids[::-1]
        assert [each.version for each in found] == [2] * IDS_AT_ONCE + [1] * IDS_AT_ONCE
        assert told == [(IDS_AT_ONCE, 2 * IDS_AT_ONCE), (2 * IDS_AT_ONCE, 2 * IDS_AT_ONCE)]
        with pytest.raises(UnknownPrediction):
            await who_answered_each(work, task.name, [ids[0], make.ids.many(1)[0]])

    asyncio.run(story())
