"""The label queue over HTTP: who takes a question holds it, and each is settled once."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from dissonance.contracts.ids import id_from_text, id_text
from support.labelling import ASKING, DAY_S, asking, lease, settle, status, stored
from support.walk import TASK, Walk, row

Story = Callable[[Walk], Awaitable[None]]


def told(story: Story) -> None:
    async def run() -> None:
        walk = await asking()
        await walk.predict([row(person=f"p{number}") for number in range(3)])
        await walk.pump()
        await story(walk)

    asyncio.run(run())


def test_a_request_shows_the_row_and_the_classes_and_not_what_the_model_said() -> None:
    async def story(walk: Walk) -> None:
        reply = await walk.post("toy/label-requests/lease", {"count": 1}, grant="labeller")
        body = reply.json()
        assert body["classes"] == ["no", "yes"]
        (request,) = body["requests"]
        assert request["row"] == {"x": 0.9, "colour": "red"}
        assert not {"class", "probabilities", "doubt"} & set(request)

    told(story)


def test_what_one_holds_nobody_else_gets_until_the_lease_runs_out() -> None:
    async def story(walk: Walk) -> None:
        first = await lease(walk, 2)
        assert len(await lease(walk, 5, grant="admin")) == 1
        walk.clock.advance(ASKING.label_lease_s + 1)
        again = {each["request_id"] for each in await lease(walk, 5)}
        assert {each["request_id"] for each in first} < again
        assert len(again) == 3

    told(story)


def test_an_answer_labels_the_row_and_settles_the_request() -> None:
    async def story(walk: Walk) -> None:
        (request,) = await lease(walk)
        assert (await settle(walk, request, "answer", {"label": "yes"})).json()["state"] == "answered"
        assert (await stored(walk, request["prediction_id"])).right is True
        assert (await status(walk))["by_state"]["answered"] == 1
        again = await settle(walk, request, "answer", {"label": "no"})
        assert (again.status, again.json()["type"].rsplit(":", 1)[-1]) == (409, "request-not-held")
        assert (again.json()["detail"], "/labels" in again.json()["fix"]) == ("the request is answered", True)

    told(story)


def test_a_skipped_request_is_not_asked_again_and_a_returned_one_is() -> None:
    async def story(walk: Walk) -> None:
        skipped, returned = await lease(walk, 2)
        assert (await settle(walk, skipped, "skip")).json()["state"] == "skipped"
        assert (await settle(walk, returned, "return")).json()["state"] == "open"
        left = {each["request_id"] for each in await lease(walk, 5)}
        assert returned["request_id"] in left
        assert skipped["request_id"] not in left

    told(story)


@pytest.mark.parametrize("deed", ["answer", "skip", "return"])
def test_what_somebody_else_holds_cannot_be_settled_nor_what_nobody_holds_any_more(deed: str) -> None:
    async def story(walk: Walk) -> None:
        body = {"label": "yes"} if deed == "answer" else {}
        now_us = walk.clock.now_us()
        until_us = now_us + ASKING.label_lease_s * 1_000_000
        (held,) = await walk.store.lease(TASK.task_id, 1, by="somebody", now_us=now_us, until_us=until_us)
        request = {"request_id": id_text(held.request_id)}
        refused = await settle(walk, request, deed, body)
        assert (refused.status, refused.json()["detail"]) == (409, "somebody else holds the request")
        walk.clock.advance(ASKING.label_lease_s + 1)
        late = await settle(walk, request, deed, body)
        assert (late.status, late.json()["detail"]) == (409, "nobody holds the request, or the lease ran out")

    told(story)


def test_a_label_that_comes_another_way_settles_the_request() -> None:
    async def story(walk: Walk) -> None:
        (request,) = await lease(walk)
        label = {"prediction_id": request["prediction_id"], "label": "yes"}
        assert (await walk.post("toy/labels", {"labels": [label]})).status == 200
        await walk.pump()
        assert (await status(walk))["by_state"]["answered"] == 1

    told(story)


def test_a_request_about_an_erased_person_is_never_shown() -> None:
    async def story(walk: Walk) -> None:
        await walk.keys.destroy(TASK.task_id, [walk.keys.data_subject_hash(TASK.task_id, "p1")])
        assert len(await lease(walk, 5)) == 2
        assert (await status(walk))["by_state"]["skipped"] == 1

    told(story)


@pytest.mark.parametrize("route", ["lease", f"{'0' * 32}/answer"])
def test_who_may_not_label_sees_no_row(route: str) -> None:
    async def story(walk: Walk) -> None:
        reply = await walk.post(f"toy/label-requests/{route}", {"count": 1}, grant="viewer")
        assert reply.status == 403

    told(story)


@pytest.mark.parametrize(("request_id", "slug"), [("nonsense", "unknown-request"), ("0" * 32, "unknown-request")])
def test_a_request_that_there_is_not_is_said_so(request_id: str, slug: str) -> None:
    async def story(walk: Walk) -> None:
        reply = await walk.post(f"toy/label-requests/{request_id}/skip", {}, grant="labeller")
        assert (reply.status, reply.json()["type"].rsplit(":", 1)[-1]) == (404, slug)

    told(story)


def test_no_more_than_the_day_allows_is_asked_and_the_same_rows_are_asked_once() -> None:
    async def scenario() -> tuple[int, int]:
        walk = await asking()
        budget = (await walk.store.policy(TASK.task_id)).label_budget_per_day
        await walk.predict([row(person=f"p{number}", x=0.5) for number in range(30)])
        judged = None
        for work in walk.works():
            events = await walk.deliver(work.consumer, work.kinds)
            if work.consumer == "learner":
                judged = events
            if events:
                await walk.bus.publish(await work.handle(events))
        learner = next(work for work in walk.works() if work.consumer == "learner")
        assert judged is not None
        await learner.handle(judged)
        asked = await walk.store.asked_on(TASK.task_id, [1_577_836_800 // DAY_S])
        return sum(asked.values()), budget

    asked, budget = asyncio.run(scenario())
    assert asked == 30 <= budget


def test_requests_keep_their_propensities() -> None:
    async def story(walk: Walk) -> None:
        for request in await lease(walk, 5):
            kept = await walk.store.request(TASK.task_id, id_from_text(request["request_id"]))
            assert kept is not None
            assert 0.0 < kept.random_propensity <= kept.propensity <= 1.0

    told(story)
