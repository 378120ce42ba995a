"""The meta-controller on doubles: candidates move the weight; people change the policy over HTTP."""

from __future__ import annotations

import asyncio

import msgspec
import pytest

from dissonance.contracts.events import CandidateRegistered, PolicyChanged
from dissonance.contracts.policy import Policy, policy_digest
from dissonance.errors import PolicyConflict
from dissonance.roles.meta.handle import MetaController
from support.walk import POLICY, TASK, Walk

PAYS = {"penalty_gain": 0.004, "penalty_gain_error": 0.001}
PAYS_NOT = {"penalty_gain": -0.001, "penalty_gain_error": 0.001}


def candidate(numbers: dict[str, float], version: int = 2) -> CandidateRegistered:
    return CandidateRegistered(
        event_id=f"candidate-{version}",
        task_id=TASK.task_id,
        produced_at_us=0,
        producer="learner",
        version=version,
        model_digest="0" * 64,
        parent_version=1,
        reason="harm",
        numbers=numbers,
    )


def test_weight_rises_while_the_penalty_pays_and_falls_when_it_does_not() -> None:
    async def scenario() -> None:
        walk = await Walk.open()
        controller = MetaController(walk.store, walk.clock)
        [raised] = await controller.handle([candidate(PAYS)])
        assert (await walk.store.policy(TASK.task_id)).lambda_in_force == POLICY.lambda_max
        [lowered] = await controller.handle([candidate(PAYS_NOT, 3)])
        assert (await walk.store.policy(TASK.task_id)).lambda_in_force == 0.0
        assert isinstance(raised, PolicyChanged) and isinstance(lowered, PolicyChanged)
        assert (raised.version, lowered.version) == (2, 3)
        assert "version 3: " in lowered.reason and lowered.by == "meta"

    asyncio.run(scenario())


def test_a_candidate_that_comes_twice_changes_the_policy_once() -> None:
    async def scenario() -> None:
        walk = await Walk.open()
        controller = MetaController(walk.store, walk.clock)
        assert len(await controller.handle([candidate(PAYS), candidate(PAYS_NOT, 1), candidate(PAYS)])) == 1
        assert await controller.handle([candidate(PAYS)]) == []
        assert (await walk.store.policy(TASK.task_id)).version == 2

    asyncio.run(scenario())


def test_a_change_meant_for_an_older_version_is_a_conflict_and_changes_nothing() -> None:
    async def scenario() -> None:
        walk = await Walk.open()
        controller = MetaController(walk.store, walk.clock)

        def following(policy: Policy) -> Policy:
            return msgspec.structs.replace(policy, version=policy.version + 1, KL_eps=0.5)

        await controller.change(TASK, following, reason="first", by="me", version=1)
        with pytest.raises(PolicyConflict):
            await controller.change(TASK, following, reason="second", by="you", version=1)
        assert (await walk.store.policy_history(TASK.task_id))[0].reason == "first"

    asyncio.run(scenario())


def test_policy_is_read_changed_and_remembered_over_http() -> None:
    async def scenario() -> None:
        walk = await Walk.open()
        reply = await walk.post(
            "toy/policy", {"changes": {"max_dissonance": 0.2}, "reason": "tighter", "version": 1}, grant="operator"
        )
        assert reply.status == 200 and reply.json()["policy"]["max_dissonance"] == 0.2
        assert (await walk.get("toy/policy")).json()["reason"] == "tighter"
        versions = (await walk.get("toy/policy/history", grant="viewer")).json()["versions"]
        assert [version["policy"]["version"] for version in versions] == [2, 1]
        told = [
            event for event in await walk.deliver("anybody", [PolicyChanged.KIND]) if isinstance(event, PolicyChanged)
        ]
        in_force = await walk.store.policy(TASK.task_id)
        assert [(event.version, event.policy_digest) for event in told] == [(2, policy_digest(in_force))]

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("body", "status", "slug"),
    [
        ({"changes": {"max_dissonanc": 0.2}, "reason": "x"}, 422, "policy-invalid"),
        ({"changes": {"max_dissonance": 0.2}, "reason": " "}, 422, "input"),
        ({"changes": {"max_dissonance": 0.2}, "reason": "x", "version": 7}, 409, "policy-conflict"),
        ({"changes": {}, "reason": "x"}, 422, "policy-invalid"),
    ],
)
def test_a_change_that_cannot_be_made_says_why(body: dict[str, object], status: int, slug: str) -> None:
    async def scenario() -> None:
        walk = await Walk.open()
        reply = await walk.post("toy/policy", body)
        assert reply.status == status and reply.json()["type"].endswith(slug)
        assert (await walk.store.policy(TASK.task_id)).version == 1

    asyncio.run(scenario())


def test_a_viewer_may_not_change_the_policy() -> None:
    async def scenario() -> None:
        walk = await Walk.open()
        reply = await walk.post("toy/policy", {"changes": {"KL_eps": 1}, "reason": "x"}, grant="viewer")
        assert reply.status == 403

    asyncio.run(scenario())
