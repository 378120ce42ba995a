"""What routes answer at their limits: lists of models and windows, keys and labels of the wrong size."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from dissonance.contracts.topics import EventKind
from dissonance.ports.registry import ModelRole
from dissonance.roles.proposer.keys import MAX_KEY_CHARACTERS
from support.walk import POLICY, TASK, Walk, row


def told(story: Callable[[Walk], Awaitable[None]]) -> None:
    async def run() -> None:
        await story(await Walk.open())

    asyncio.run(run())


def test_models_are_listed_newest_first_with_the_one_that_answers_here() -> None:
    async def story(walk: Walk) -> None:
        walk.registry.register(
            TASK.task_id,
            TASK.name,
            ModelRole.PROPOSER,
            b"bytes",
            "d" * 64,
            metrics={"auc": 0.5},
            parameters={},
            parent=1,
        )
        walk.registry.promote(walk.registry.version(TASK.task_id, ModelRole.PROPOSER, 2))
        reply = (await walk.get("toy/models")).json()
        assert reply["serving_version"] == 1
        assert [(each["role"], each["version"], each["in_production"]) for each in reply["models"]] == [
            ("proposer", 2, True),
            ("proposer", 1, False),
            ("critic", 1, True),
        ]
        assert reply["models"][0]["metrics"] == {"auc": 0.5}

    told(story)


def test_an_idempotency_key_may_be_so_long_and_no_longer() -> None:
    async def story(walk: Walk) -> None:
        longest = await walk.post("toy/predict", {"rows": [row()]}, key="k" * MAX_KEY_CHARACTERS)
        longer = await walk.post("toy/predict", {"rows": [row()]}, key="k" * (MAX_KEY_CHARACTERS + 1))
        assert (longest.status, longer.status) == (200, 400)
        assert longer.json()["where"] == "header Idempotency-Key"

    told(story)


@pytest.mark.parametrize(("count", "status"), [(0, 400), (POLICY.max_rows_per_request + 1, 413)])
def test_no_labels_and_too_many_are_refused(count: int, status: int) -> None:
    async def story(walk: Walk) -> None:
        (known,) = await walk.predict([row()])
        await walk.pump()
        reply = await walk.post("toy/labels", {"labels": [{"prediction_id": known, "label": "yes"}] * count})
        assert (reply.status, reply.json()["where"]) == (status, "labels")
        assert await walk.deliver("learner-labels", [EventKind.LABELLED]) == []

    told(story)


def test_labels_that_overtake_their_row_are_refused_until_it_is_stored() -> None:
    async def story(walk: Walk) -> None:
        (known,) = await walk.predict([row()])
        too_early = await walk.post("toy/labels", {"labels": [{"prediction_id": known, "label": "yes"}]})
        assert (too_early.status, too_early.json()["type"]) == (404, "urn:dissonance:problem:unknown-prediction")
        await walk.pump()
        assert (await walk.post("toy/labels", {"labels": [{"prediction_id": known, "label": "yes"}]})).status == 200

    told(story)


def test_only_so_many_windows_are_listed_as_were_asked_for() -> None:
    async def story(walk: Walk) -> None:
        await walk.predict([row(person=f"p{day}", at=f"2020-01-0{day}T00:00:00Z") for day in (1, 2, 3)])
        await walk.pump()
        starts = [window["start"][:10] for window in (await walk.get("toy/windows?limit=2")).json()["windows"]]
        assert starts == ["2020-01-03", "2020-01-02"]

    told(story)
