"""Values of the policy that the gate judges inputs by: only the value changes, and the verdict with it."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from dissonance.contracts.policy import Policy
from dissonance.contracts.verdicts import Reason
from support.walk import TASK, Walk, row


def reasons(rows: list[dict[str, Any]], gap: float = 0.05, **values: Any) -> list[Reason]:
    """What the store keeps as the reasons of these rows."""

    async def scenario() -> list[Reason]:
        walk = await Walk.open(gap=gap, policy=Policy(**values))
        ids = await walk.predict(rows)
        await walk.pump()
        assert len(ids) == len(rows)
        return [each.reason for each in await walk.store.between(TASK.task_id, 0, 2**60)]

    return asyncio.run(scenario())


def test_d_target_is_the_dissonance_from_which_a_row_needs_budget() -> None:
    assert reasons([row()], gap=0.1, D_target=0.11) == [Reason.AGREED]
    assert reasons([row()], gap=0.1, D_target=0.09) == [Reason.WITHIN_BUDGET]


def test_max_dissonance_is_the_dissonance_above_which_a_row_is_blocked() -> None:
    assert reasons([row()], gap=0.3, max_dissonance=0.31) == [Reason.WITHIN_BUDGET]
    assert reasons([row()], gap=0.3, max_dissonance=0.29) == [Reason.DISSONANCE]


def test_max_doubt_is_the_doubt_above_which_a_row_is_blocked() -> None:
    assert reasons([row(x=0.55)], max_doubt=0.51) == [Reason.AGREED]
    assert reasons([row(x=0.55)], max_doubt=0.49) == [Reason.DOUBT]


def test_outlier_ranges_is_how_far_outside_a_number_is_suspected_poison() -> None:
    assert reasons([row(x=2.5)], outlier_ranges=1.6) == [Reason.RANGE]
    assert reasons([row(x=2.5)], outlier_ranges=1.4) == [Reason.OUTLIER]


def test_source_rows_per_hour_is_how_many_rows_of_one_person_teach() -> None:
    assert reasons([row()] * 3, source_rows_per_hour=3) == [Reason.AGREED] * 3
    assert reasons([row()] * 3, source_rows_per_hour=2) == [Reason.AGREED] * 2 + [Reason.BURST]


def test_d_budget_per_hour_is_how_many_dissonant_rows_of_an_hour_are_admitted() -> None:
    assert reasons([row()] * 2, gap=0.2, d_budget_per_hour=2) == [Reason.WITHIN_BUDGET] * 2
    assert reasons([row()] * 2, gap=0.2, d_budget_per_hour=1) == [Reason.WITHIN_BUDGET, Reason.BUDGET]


@pytest.mark.parametrize(("limit", "status"), [(2, 200), (1, 413)])
def test_max_rows_per_request_is_how_many_rows_one_request_may_hold(limit: int, status: int) -> None:
    async def scenario() -> int:
        walk = await Walk.open(policy=Policy(max_rows_per_request=limit))
        return (await walk.post("toy/predict", {"rows": [row(), row()]})).status

    assert asyncio.run(scenario()) == status


def test_version_is_what_a_verdict_says_it_rests_on() -> None:
    async def scenario() -> list[int]:
        walk = await Walk.open(policy=Policy())
        versions = []
        for version in (1, 2):
            if version == 2:
                await walk.store.set_policy(TASK.task_id, Policy(version=2), reason="r", by="b")
                await walk.catalogue.refresh_all()
            (prediction_id,) = await walk.predict([row()])
            await walk.pump()
            number = bytes.fromhex(prediction_id.replace("-", ""))
            versions.append((await walk.store.judged(TASK.task_id, [number]))[number][2])
        return versions

    assert asyncio.run(scenario()) == [1, 2]
