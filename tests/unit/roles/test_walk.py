"""The walk on doubles: predict, doubt, judge, store, label, window; and what each route refuses."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from dissonance.contracts.events import Contradicted, Judged
from dissonance.contracts.ids import id_from_text
from dissonance.contracts.topics import EventKind
from dissonance.contracts.verdicts import Reason
from support.walk import POLICY, TASK, Walk, row

Story = Callable[[Walk], Awaitable[None]]


def told(story: Story, **options: Any) -> None:
    async def run() -> None:
        await story(await Walk.open(**options))

    asyncio.run(run())


def test_a_row_walks_from_the_request_to_the_store() -> None:
    async def story(walk: Walk) -> None:
        (prediction_id,) = await walk.predict([row()])
        await walk.pump()
        stored = (await walk.store.find(TASK.task_id, [id_from_text(prediction_id)]))[id_from_text(prediction_id)]
        assert (stored.verdict, stored.reason) == ("admitted", "agreed")
        assert stored.confidence == pytest.approx(0.85)
        assert stored.dissonance == pytest.approx(0.05)
        assert stored.event_time_us == 1_577_836_800_000_000

    told(story)


def test_inline_contradiction_says_what_the_critic_will_record() -> None:
    async def story(walk: Walk) -> None:
        reply = await walk.post("toy/predict?contradict=true", {"rows": [row()]})
        (prediction,) = reply.json()["predictions"]
        assert prediction["class"] == "yes"
        assert prediction["probabilities"] == pytest.approx([0.1, 0.9])
        assert prediction["doubt"] == pytest.approx(0.15)
        await walk.pump()
        (stored,) = await walk.store.between(TASK.task_id, 0, 2**60)
        assert stored.dissonance == pytest.approx(prediction["dissonance"])

    told(story)


def test_rows_that_were_answered_are_counted_and_refused_ones_are_not() -> None:
    async def story(walk: Walk) -> None:
        await walk.predict([row(), row(person="p2")])
        assert (await walk.post("toy/predict", {"rows": [row(colour="green")]})).status == 422
        assert 'dissonance_rows_predicted_total{task="toy"} 2.0' in walk.metrics.text().decode()

    told(story)


def test_a_late_label_restates_its_window() -> None:
    async def story(walk: Walk) -> None:
        ids = await walk.predict([row(), row(person="p2")])
        await walk.pump()
        before = (await walk.get("toy/windows")).json()["windows"][0]
        assert (before["rows"], before["labelled"], before["realised_accuracy"]) == (2, 0, None)
        labels = [{"prediction_id": ids[0], "label": "yes"}, {"prediction_id": ids[1], "label": "no"}]
        assert (await walk.post("toy/labels", {"labels": labels})).json()["accepted"] == 2
        await walk.pump()
        after = (await walk.get("toy/windows")).json()["windows"][0]
        assert (after["labelled"], after["realised_accuracy"]) == (2, 0.5)
        assert after["revision"] > before["revision"]
        assert after["estimated_accuracy"] == pytest.approx(0.85)

    told(story)


def test_messages_that_come_twice_change_nothing() -> None:
    async def story(walk: Walk) -> None:
        await walk.predict([row(x=0.9), row(x=0.8, person="p2")])
        critic, gate, learner = (walk.at_work[name].work[0] for name in ("critic", "gate", "learner"))
        predicted = await walk.deliver("critic", critic.kinds)
        contradicted = await critic.handle(predicted) + await critic.handle(predicted)
        first = await gate.handle(contradicted)
        again = await gate.handle(contradicted)
        assert sum(event.rows for event in first) == 2
        assert [event.verdicts for event in again if isinstance(event, Judged)] == [
            event.verdicts for event in first if isinstance(event, Judged)
        ]
        await learner.handle([*first, *again])
        counts = await walk.store.counts(TASK.task_id)
        assert counts.admitted + counts.blocked == 2
        assert await walk.store.verify_chain(TASK.task_id) == 1

    told(story)


def test_a_repeated_message_spends_no_budget_twice() -> None:
    async def story(walk: Walk) -> None:
        await walk.predict([row(x=0.9)])
        critic, gate = walk.at_work["critic"].work[0], walk.at_work["gate"].work[0]
        contradicted = await critic.handle(await walk.deliver("critic", critic.kinds))
        hour = 1_577_836_800 // 3600
        for _ in range(3):
            await gate.handle(contradicted)
        assert await walk.store.budget_spent(TASK.task_id, [hour]) == {hour: 1}

    told(story, gap=0.2)


def test_dissonant_rows_beyond_the_budget_are_kept_and_blocked() -> None:
    async def story(walk: Walk) -> None:
        await walk.predict([row(x=0.9, person=f"p{i}") for i in range(5)])
        await walk.pump()
        reasons = [experience.reason for experience in await walk.store.between(TASK.task_id, 0, 2**60)]
        assert sorted(reasons) == [Reason.BUDGET] * 3 + [Reason.WITHIN_BUDGET] * 2

    told(story, gap=0.2)


def test_a_number_outside_the_reference_range_is_answered_and_blocked() -> None:
    async def story(walk: Walk) -> None:
        await walk.predict([row(x=1.5)])
        await walk.pump()
        (experience,) = await walk.store.between(TASK.task_id, 0, 2**60)
        assert (experience.verdict, experience.reason) == ("blocked", "range")

    told(story)


def test_the_row_of_a_data_subject_erased_on_the_way_is_counted_and_says_nothing() -> None:
    async def story(walk: Walk) -> None:
        await walk.predict([row(person="gone"), row(person="here")])
        await walk.keys.destroy(TASK.task_id, [walk.keys.data_subject_hash(TASK.task_id, "gone")])
        await walk.pump()
        reasons = {experience.reason for experience in await walk.store.between(TASK.task_id, 0, 2**60)}
        assert reasons == {Reason.ERASED, Reason.AGREED}

    told(story)


def test_an_erased_data_subject_is_not_answered_again() -> None:
    async def story(walk: Walk) -> None:
        await walk.predict([row(person="gone")])
        await walk.keys.destroy(TASK.task_id, [walk.keys.data_subject_hash(TASK.task_id, "gone")])
        reply = await walk.post("toy/predict", {"rows": [row(person="gone")]})
        assert reply.status == 410

    told(story)


def test_the_same_idempotency_key_and_body_get_the_same_answer_once() -> None:
    async def story(walk: Walk) -> None:
        first = await walk.predict([row()], key="k1")
        assert await walk.predict([row()], key="k1") == first
        await walk.pump()
        assert len(await walk.store.between(TASK.task_id, 0, 2**60)) == 1

    told(story)


def test_the_same_idempotency_key_twice_at_the_same_time_is_answered_once() -> None:
    async def story(walk: Walk) -> None:
        first, second = await asyncio.gather(walk.predict([row()], key="k"), walk.predict([row()], key="k"))
        assert first == second
        await walk.pump()
        assert len(await walk.store.between(TASK.task_id, 0, 2**60)) == 1

    told(story)


def test_an_idempotency_key_with_another_body_is_a_conflict_and_hurts_nobody_else() -> None:
    async def story(walk: Walk) -> None:
        await walk.predict([row()], key="k1")
        conflict, fine = await asyncio.gather(
            walk.post("toy/predict", {"rows": [row(x=0.1)]}, key="k1"),
            walk.post("toy/predict", {"rows": [row(x=0.2)]}, key="k2"),
        )
        assert (conflict.status, conflict.json()["type"]) == (409, "urn:dissonance:problem:idempotency-conflict")
        assert fine.status == 200

    told(story)


def test_a_promotion_changes_the_answering_version_and_old_rows_keep_their_critic() -> None:
    async def story(walk: Walk) -> None:
        await walk.predict([row()])
        walk.loader.pairs[2] = walk.loader.pair(2, 0.3)
        walk.loader.serving = 2
        await walk.catalogue.refresh_all()
        reply = await walk.post("toy/predict", {"rows": [row(person="p2")]})
        assert reply.json()["model_version"] == 2
        critic = walk.at_work["critic"].work[0]
        contradicted = await critic.handle(await walk.deliver("critic", critic.kinds))
        dissonances = {
            event.model_digest: event.dissonances for event in contradicted if isinstance(event, Contradicted)
        }
        assert dissonances[f"{1:064x}"] == pytest.approx([0.05])
        assert dissonances[f"{2:064x}"] == pytest.approx([0.3])

    told(story)


def test_check_says_what_the_gate_would_and_spends_nothing() -> None:
    async def story(walk: Walk) -> None:
        rows = [row(x=0.9), row(x=1.5), row(x=0.9), row(x=0.9)]
        checks = (await walk.post("toy/check", {"rows": rows})).json()["checks"]
        assert [check["reason"] for check in checks] == ["within_budget", "range", "within_budget", "budget"]
        assert checks[1]["fields"] == ["x"]
        assert await walk.deliver("critic", [EventKind.PREDICTED]) == []

    told(story, gap=0.2)


def test_contradict_gives_both_distributions() -> None:
    async def story(walk: Walk) -> None:
        (said,) = (await walk.post("toy/contradict", {"rows": [row()]})).json()["contradictions"]
        assert said["critic"] == pytest.approx([0.15, 0.85])
        assert said["dissonance"] == pytest.approx(0.05)
        assert said["confidence"] + said["doubt"] == pytest.approx(1.0)

    told(story)


def test_run_once_answers_when_the_row_is_stored() -> None:
    async def story(walk: Walk) -> None:
        asked = asyncio.create_task(walk.post("toy/run_once", {"rows": [row()]}))
        while not asked.done():
            await walk.pump()
            await asyncio.sleep(0.01)
        (cycle,) = asked.result().json()["cycles"]
        assert (cycle["class"], cycle["verdict"], cycle["reason"]) == ("yes", "admitted", "agreed")

    told(story)


@pytest.mark.parametrize(
    ("bad", "status", "slug", "where"),
    [
        (row(x="high"), 422, "wrong-type", "rows[1].x"),
        (row(y=1), 422, "unknown-field", "rows[1].y"),
        ({"x": 0.5, "person": "p", "at": 0}, 422, "missing-field", "rows[1].colour"),
        (row(colour="green"), 422, "unseen-category", "rows[1].colour"),
        (row(x=None), 422, "wrong-type", "rows[1].x"),
        (row(at="yesterday"), 422, "wrong-type", "rows[1].at"),
        (row(person=None), 422, "missing-field", "rows[1].person"),
        (row(person=1.5), 422, "wrong-type", "rows[1].person"),
        (row(person="x" * 257), 422, "wrong-type", "rows[1].person"),
    ],
)
def test_a_bad_row_is_named_and_nothing_of_the_request_is_kept(
    bad: dict[str, Any], status: int, slug: str, where: str
) -> None:
    async def story(walk: Walk) -> None:
        reply = await walk.post("toy/predict", {"rows": [row(), bad]})
        problem = reply.json()
        assert (reply.status, problem["type"].rsplit(":", 1)[1], problem["where"]) == (status, slug, where)
        assert await walk.deliver("critic", [EventKind.PREDICTED]) == []

    told(story)


def test_an_unknown_task_is_not_found() -> None:
    async def story(walk: Walk) -> None:
        reply = await walk.post("other/predict", {"rows": [row()]})
        assert (reply.status, reply.json()["type"]) == (404, "urn:dissonance:problem:unknown-task")

    told(story)


def test_too_many_rows_and_none_at_all_are_refused() -> None:
    async def story(walk: Walk) -> None:
        many = await walk.post("toy/predict", {"rows": [row()] * (POLICY.max_rows_per_request + 1)})
        none = await walk.post("toy/predict", {"rows": []})
        assert (many.status, none.status) == (413, 400)

    told(story)


@pytest.mark.parametrize(
    ("label", "more", "where"),
    [
        ({"labelled_at": "9999-12-31T00:00:00Z"}, {}, "labels[0].labelled_at"),
        ({}, {"source": "a\0b"}, "source"),
        ({}, {"source": ""}, "source"),
        ({}, {"source": "s" * 101}, "source"),
    ],
)
def test_a_label_that_the_store_could_not_keep_or_correct_is_refused(
    label: dict[str, str], more: dict[str, str], where: str
) -> None:
    async def story(walk: Walk) -> None:
        (known,) = await walk.predict([row()])
        await walk.pump()
        body = {"labels": [{"prediction_id": known, "label": "yes", **label}], **more}
        refused = await walk.post("toy/labels", body)
        assert (refused.status, refused.json()["where"]) == (422, where)

    told(story)


def test_a_row_from_the_end_of_time_leaves_the_windows_readable() -> None:
    async def story(walk: Walk) -> None:
        await walk.predict([row(at="9999-12-31T23:59:59Z"), row(at="0001-01-01T00:00:00Z")])
        await walk.pump()
        last, first = (await walk.get("toy/windows")).json()["windows"]
        assert last["end"] == "9999-12-31T23:59:59.999999Z"
        assert first["start"] == "0001-01-01T00:00:00.000000Z"

    told(story)


def test_labels_are_taken_all_or_none() -> None:
    async def story(walk: Walk) -> None:
        (known,) = await walk.predict([row()])
        await walk.pump()
        unknown = "01900000-0000-7000-8000-000000000000"
        labels = [{"prediction_id": known, "label": "yes"}, {"prediction_id": unknown, "label": "yes"}]
        missing = await walk.post("toy/labels", {"labels": labels})
        assert (missing.status, missing.json()["where"]) == (404, "labels[1].prediction_id")
        wrong = await walk.post("toy/labels", {"labels": [{"prediction_id": known, "label": True}]})
        assert (wrong.status, wrong.json()["type"]) == (422, "urn:dissonance:problem:unknown-class")
        assert await walk.deliver("learner-labels", [EventKind.LABELLED]) == []

    told(story)


def test_a_corrected_label_wins_by_its_time_whatever_the_order() -> None:
    async def story(walk: Walk) -> None:
        (known,) = await walk.predict([row()])
        await walk.pump()
        for label, at in (("no", "2020-03-01T00:00:00Z"), ("yes", "2020-02-01T00:00:00Z")):
            await walk.post("toy/labels", {"labels": [{"prediction_id": known, "label": label, "labelled_at": at}]})
            await walk.pump()
        assert (await walk.get("toy/windows")).json()["windows"][0]["realised_accuracy"] == 0.0

    told(story)


def test_answers_are_not_given_while_the_broker_is_away() -> None:
    async def story(walk: Walk) -> None:
        await walk.predict([row()])
        walk.bus.available = False
        reply = await walk.post("toy/predict", {"rows": [row()]})
        assert reply.status == 503
        assert int(reply.headers["retry-after"]) >= 1

    told(story)
