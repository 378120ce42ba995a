"""Labels of a file: what can be taken is taken, what cannot is named, twice is once."""

from __future__ import annotations

import asyncio

from dissonance.contracts.api import Label
from dissonance.contracts.policy import Policy
from dissonance.roles.learner.importing import Given, Refused, import_labels
from support.labelling import stored
from support.walk import POLICY, TASK, Walk, row


async def imported(walk: Walk, given: list[Given], policy: Policy = POLICY) -> list[Refused]:
    desk = walk.place
    refused = await import_labels(desk, TASK, policy, given, "file")
    await walk.pump()
    return refused


def test_refused_labels_are_named_by_their_place_and_the_others_are_taken() -> None:
    async def scenario() -> None:
        walk = await Walk.open()
        ids = await walk.predict([row(person=f"p{number}") for number in range(4)])
        await walk.pump()
        labels = [Label(prediction_id, "yes") for prediction_id in ids]
        labels[1] = Label(ids[1], "perhaps")
        labels[2] = Label("00000000-0000-7000-8000-000000000000", "yes")
        refused = await imported(walk, [Given(label) for label in labels])
        assert [(each.position, each.error.slug) for each in refused] == [
            (1, "unknown-class"),
            (2, "unknown-prediction"),
        ]
        assert [(await stored(walk, ids[i])).right for i in (0, 3)] == [True, True]

    asyncio.run(scenario())


def test_a_file_twice_is_a_file_once_and_requests_keep_to_the_policys_size() -> None:
    async def scenario() -> None:
        walk = await Walk.open()
        ids = await walk.predict([row(person=f"p{number}") for number in range(7)])
        await walk.pump()
        given = [Given(Label(prediction_id, "yes", "2021-01-01T00:00:00Z")) for prediction_id in ids]
        small = Policy(max_rows_per_request=3)
        for _ in range(2):
            assert await imported(walk, given, small) == []
        assert (await walk.store.label_figures(TASK.task_id)).joined == 7

    asyncio.run(scenario())


def test_a_second_look_of_a_file_counts_whatever_the_models_say() -> None:
    async def scenario() -> None:
        walk = await Walk.open(gap=0.01)
        (prediction_id,) = await walk.predict([row(x=0.99)])
        await walk.pump()
        await imported(walk, [Given(Label(prediction_id, "no", "2021-01-01T00:00:00Z"))])
        assert (await walk.store.label_figures(TASK.task_id)).waiting == 1
        await imported(walk, [Given(Label(prediction_id, "no", "2021-01-02T00:00:00Z"), second_look=True)])
        assert (await walk.store.label_figures(TASK.task_id)).learnable == 1

    asyncio.run(scenario())
