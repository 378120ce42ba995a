"""Labels in every order people send them: late, twice, corrected, withdrawn, by person and time; once in effect."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from itertools import permutations
from typing import Any

import pytest

from dissonance.contracts.events import Labelled
from dissonance.ports.labels import LabelFigures
from support.labelling import lease, send, settle, status, stored
from support.store import learnable
from support.walk import TASK, Walk, row

Story = Callable[[Walk], Awaitable[None]]
LATER = ("2021-01-01T00:00:00Z", "2021-01-02T00:00:00Z", "2021-01-03T00:00:00Z")


def told(story: Story, **options: Any) -> None:
    async def run() -> None:
        await story(await Walk.open(**options))

    asyncio.run(run())


async def figures(walk: Walk) -> LabelFigures:
    return await walk.store.label_figures(TASK.task_id)


def test_a_label_by_data_subject_and_time_is_of_the_latest_input_before_it() -> None:
    async def story(walk: Walk) -> None:
        early, late, other = await walk.predict(
            [
                row(at="2020-01-01T00:00:00Z"),
                row(at="2020-01-01T06:00:00Z"),
                row(at="2020-01-01T07:00:00Z", person="p2"),
            ]
        )
        await walk.pump()
        await send(walk, {"data_subject": "p1", "event_time": "2020-01-01T08:00:00Z", "label": "yes"})
        assert (await stored(walk, late)).right is True
        assert (await stored(walk, early)).right is None
        assert (await stored(walk, other)).right is None

    told(story)


def test_a_label_by_a_person_who_never_asked_is_refused_by_its_place() -> None:
    async def story(walk: Walk) -> None:
        await walk.predict([row()])
        await walk.pump()
        label = {"data_subject": "nobody", "event_time": "2020-01-01T08:00:00Z", "label": "yes"}
        reply = await send(walk, label, status=404)
        assert reply.json()["where"] == "labels[0].data_subject"

    told(story)


@pytest.mark.parametrize(
    "label",
    [
        {"label": "yes"},
        {"prediction_id": "00000000-0000-7000-8000-000000000000", "data_subject": "p1", "label": "yes"},
        {"data_subject": "p1", "label": "yes"},
        {"prediction_id": "00000000-0000-7000-8000-000000000000"},
        {"prediction_id": "00000000-0000-7000-8000-000000000000", "label": "yes", "withdrawn": True},
    ],
)
def test_a_label_that_names_its_input_or_its_class_not_or_twice_is_refused(label: dict[str, Any]) -> None:
    async def story(walk: Walk) -> None:
        await send(walk, label, status=422)

    told(story)


@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_labels_in_any_order_and_twice_end_in_the_same_state(order: tuple[int, ...]) -> None:
    """The first was wrong, the second withdraws it, the third is the truth."""

    async def story(walk: Walk) -> None:
        (prediction_id,) = await walk.predict([row()])
        await walk.pump()
        said: list[dict[str, Any]] = [{"label": "no"}, {"withdrawn": True}, {"label": "yes"}]
        for number in (*order, *order):
            await send(walk, {"prediction_id": prediction_id, "labelled_at": LATER[number], **said[number]})
        assert (await stored(walk, prediction_id)).right is True
        known = await figures(walk)
        assert (known.joined, known.withdrawn) == (1, 0)

    told(story)


def test_a_withdrawn_label_leaves_window_and_training_and_a_new_one_brings_it_back() -> None:
    async def story(walk: Walk) -> None:
        (prediction_id,) = await walk.predict([row()])
        await walk.pump()
        await send(walk, {"prediction_id": prediction_id, "label": "yes", "labelled_at": LATER[0]})
        assert len((await learnable(walk.store, TASK.task_id)).prediction_ids) == 1
        await send(walk, {"prediction_id": prediction_id, "withdrawn": True, "labelled_at": LATER[1]})
        assert (await learnable(walk.store, TASK.task_id)).prediction_ids == []
        assert (await walk.get("toy/windows")).json()["windows"][0]["labelled"] == 0
        assert (await figures(walk)).withdrawn == 1
        await send(walk, {"prediction_id": prediction_id, "label": "yes", "labelled_at": LATER[2]})
        assert len((await learnable(walk.store, TASK.task_id)).prediction_ids) == 1

    told(story)


def test_a_label_a_year_late_restates_the_window_of_its_input() -> None:
    async def story(walk: Walk) -> None:
        (prediction_id,) = await walk.predict([row(at="2020-01-01T00:00:00Z")])
        await walk.predict([row(at="2021-01-05T00:00:00Z", person="p2")])
        await walk.pump()
        await send(walk, {"prediction_id": prediction_id, "label": "no", "labelled_at": LATER[0]})
        newest, oldest = (await walk.get("toy/windows")).json()["windows"]
        assert (oldest["labelled"], oldest["realised_accuracy"], oldest["closed"]) == (1, 0.0, True)
        assert oldest["mean_label_delay_s"] == 366 * 86_400
        assert newest["labelled"] == 0

    told(story)


def test_the_same_message_handled_by_two_replicas_joins_once() -> None:
    async def story(walk: Walk) -> None:
        (prediction_id,) = await walk.predict([row()])
        await walk.pump()
        await walk.post("toy/labels", {"labels": [{"prediction_id": prediction_id, "label": "yes"}]})
        joins = next(work for work in walk.works() if work.consumer == "learner-labels")
        events = await walk.deliver("learner-labels", joins.kinds)
        assert [type(event) for event in events] == [Labelled]
        first, second = await asyncio.gather(joins.handle(events), joins.handle(events))
        assert [event.event_id for event in first] == [event.event_id for event in second]
        assert (await figures(walk)).joined == 1

    told(story)


def test_a_label_that_both_models_are_sure_is_wrong_waits_for_a_second_look() -> None:
    async def story(walk: Walk) -> None:
        (prediction_id,) = await walk.predict([row(x=0.99)])
        await walk.pump()
        await send(walk, {"prediction_id": prediction_id, "label": "no"})
        known = await figures(walk)
        assert (known.joined, known.learnable, known.waiting) == (1, 0, 1)
        asked = (await status(walk))["by_reason"]
        assert asked["second_look"] == 1
        await send(walk, {"prediction_id": prediction_id, "label": "no", "labelled_at": LATER[0]})
        assert (await status(walk))["by_reason"]["second_look"] == 1, "the same doubt is asked about once"
        (request,) = [each for each in await lease(walk, 10) if each["asked_as"] == "second_look"]
        walk.clock.advance(60)
        assert (await settle(walk, request, "answer", {"label": "no"})).status == 200
        known = await figures(walk)
        assert (known.learnable, known.waiting) == (1, 0)

    told(story, gap=0.01)


def test_a_surprising_label_that_only_one_model_doubts_is_learnt_from() -> None:
    async def story(walk: Walk) -> None:
        (prediction_id,) = await walk.predict([row(x=0.99)])
        await walk.pump()
        await send(walk, {"prediction_id": prediction_id, "label": "no"})
        assert (await figures(walk)).waiting == 0

    told(story, gap=0.2)
