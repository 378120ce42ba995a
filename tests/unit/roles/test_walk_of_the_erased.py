"""A data subject whose key was destroyed: at every step of the walk nothing of theirs is read, learnt or answered."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from dissonance.contracts.events import Contradicted, LabelsJoined
from dissonance.contracts.ids import id_from_text
from dissonance.contracts.topics import EventKind
from dissonance.contracts.verdicts import Reason, Verdict
from support.walk import TASK, Walk, row


def told(story: Callable[[Walk], Awaitable[None]]) -> None:
    async def run() -> None:
        await story(await Walk.open())

    asyncio.run(run())


async def erase(walk: Walk, person: str) -> None:
    assert await walk.keys.destroy(TASK.task_id, [walk.keys.data_subject_hash(TASK.task_id, person)]) == 1


def test_a_row_erased_before_it_was_doubted_is_blocked_and_its_neighbours_are_not() -> None:
    async def story(walk: Walk) -> None:
        ids = [id_from_text(each) for each in await walk.predict([row(person="gone"), row(person="here")])]
        await erase(walk, "gone")
        await walk.pump()
        stored = await walk.store.find(TASK.task_id, ids)
        assert [(stored[each].verdict, stored[each].reason) for each in ids] == [
            (Verdict.BLOCKED, Reason.ERASED),
            (Verdict.ADMITTED, Reason.AGREED),
        ]

    told(story)


def test_a_batch_of_erased_rows_only_is_passed_on_without_an_opinion() -> None:
    async def story(walk: Walk) -> None:
        await walk.predict([row(person="gone")])
        await erase(walk, "gone")
        critic = walk.at_work["critic"].work[0]
        (event,) = await critic.handle(await walk.deliver("critic", critic.kinds))
        assert isinstance(event, Contradicted)
        assert (event.confidences, event.dissonances) == ([0.0], [0.0])

    told(story)


def test_a_request_with_a_row_of_an_erased_person_is_refused_whole() -> None:
    async def story(walk: Walk) -> None:
        await walk.predict([row(person="gone")])
        await walk.pump()
        await erase(walk, "gone")
        reply = await walk.post("toy/predict", {"rows": [row(person="here"), row(person="gone")]})
        assert (reply.status, reply.json()["type"]) == (410, "urn:dissonance:problem:key-destroyed")
        assert await walk.deliver("critic", [EventKind.PREDICTED]) == []

    told(story)


def test_a_repeated_request_of_a_person_erased_meanwhile_is_refused() -> None:
    async def story(walk: Walk) -> None:
        await walk.predict([row(person="gone")], key="k")
        await erase(walk, "gone")
        reply = await walk.post("toy/predict", {"rows": [row(person="gone")]}, key="k")
        assert (reply.status, reply.json()["type"]) == (410, "urn:dissonance:problem:key-destroyed")

    told(story)


def test_labels_of_an_erased_person_are_refused_when_sent_and_dropped_when_on_their_way() -> None:
    async def story(walk: Walk) -> None:
        (known,) = await walk.predict([row(person="gone")])
        await walk.pump()
        body = {"labels": [{"prediction_id": known, "label": "yes"}]}
        assert (await walk.post("toy/labels", body)).status == 200
        await erase(walk, "gone")
        refused = await walk.post("toy/labels", body)
        assert (refused.status, refused.json()["type"]) == (410, "urn:dissonance:problem:key-destroyed")
        labels = walk.at_work["learner"].work[1]
        (joined,) = await labels.handle(await walk.deliver(labels.consumer, labels.kinds))
        assert isinstance(joined, LabelsJoined)
        assert joined.prediction_ids == []
        assert (await walk.store.counts(TASK.task_id)).labelled == 0

    told(story)
