"""Values of the policy that the learner asks for labels by: only the value changes, and what is asked with it."""

from __future__ import annotations

import asyncio
from typing import Any

from dissonance.contracts.policy import Policy
from dissonance.ports.labels import AskedAs
from support.labelling import lease, send, status
from support.walk import Walk, row

MANY = 1_000_000
ROWS = 200


def asked(**values: Any) -> dict[str, int]:
    """Requests by why, after 200 rows of one day on which both models are unsure."""

    async def scenario() -> dict[str, int]:
        walk = await Walk.open(policy=Policy(max_doubt=1.0, **values))
        for start in range(0, ROWS, 40):
            await walk.predict([row(x=0.5, person=f"p{start + number}") for number in range(40)])
            await walk.pump()
        by_reason: dict[str, int] = (await status(walk))["by_reason"]
        return by_reason

    return asyncio.run(scenario())


def test_label_budget_per_day_is_how_many_inputs_of_a_day_are_asked_about() -> None:
    assert sum(asked(label_budget_per_day=MANY).values()) == ROWS
    assert sum(asked(label_budget_per_day=7).values()) <= 7
    assert sum(asked(label_budget_per_day=0).values()) == 0


def test_random_check_share_is_how_many_of_the_requests_are_drawn_at_random() -> None:
    everything = asked(label_budget_per_day=MANY, random_check_share=1.0)
    assert everything[AskedAs.RANDOM_CHECK] == ROWS
    nothing = asked(label_budget_per_day=MANY, random_check_share=0.0)
    assert (nothing[AskedAs.RANDOM_CHECK], nothing[AskedAs.CHOSEN]) == (0, ROWS)


def test_least_sure_share_is_how_many_of_the_chosen_are_those_the_critic_is_least_sure_about() -> None:
    async def unsure_of_those_asked(share: float) -> float:
        """Of 400 rows of one hour, which one in ten is a coin flip, 15 are to be asked about."""
        policy = Policy(max_doubt=1.0, label_budget_per_day=24 * 15, random_check_share=0.0, least_sure_share=share)
        walk = await Walk.open(gap=0.02, policy=policy)
        await walk.predict([row(x=0.5 if i % 10 == 0 else 0.98, person=f"p{i}") for i in range(400)])
        await walk.pump()
        requests = await lease(walk, 100)
        unsure = [each for each in requests if each["row"]["x"] == 0.5]
        return len(unsure) / len(requests)

    assert asyncio.run(unsure_of_those_asked(1.0)) > 0.5
    assert asyncio.run(unsure_of_those_asked(0.0)) < 0.3


def test_label_lease_s_is_how_long_a_request_is_held() -> None:
    async def scenario(seconds: int) -> int:
        walk = await Walk.open(policy=Policy(label_budget_per_day=MANY, label_lease_s=seconds))
        await walk.predict([row()])
        await walk.pump()
        await lease(walk)
        walk.clock.advance(60)
        return len(await lease(walk, grant="admin"))

    assert asyncio.run(scenario(59)) == 1
    assert asyncio.run(scenario(61)) == 0


def test_label_join_s_is_how_long_before_a_label_its_input_may_lie() -> None:
    async def scenario(seconds: int, expected: int) -> None:
        walk = await Walk.open(policy=Policy(label_join_s=seconds))
        await walk.predict([row(at="2020-01-01T00:00:00Z")])
        await walk.pump()
        label = {"data_subject": "p1", "event_time": "2020-01-01T01:00:00Z", "label": "yes"}
        await send(walk, label, status=expected)

    asyncio.run(scenario(3_600, 200))
    asyncio.run(scenario(3_599, 404))


def test_second_look_confidence_is_how_sure_both_must_be_against_a_label_for_another_look() -> None:
    async def scenario(confidence: float) -> int:
        walk = await Walk.open(gap=0.02, policy=Policy(label_budget_per_day=0, second_look_confidence=confidence))
        (prediction_id,) = await walk.predict([row(x=0.95)])
        await walk.pump()
        await send(walk, {"prediction_id": prediction_id, "label": "no"})
        return int((await status(walk))["by_reason"]["second_look"])

    assert asyncio.run(scenario(0.9)) == 1
    assert asyncio.run(scenario(0.94)) == 0
