"""The walk of a task with three classes: their order holds from the answer to the store."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import msgspec
import numpy as np
import pytest

from dissonance.contracts.ids import id_from_text
from dissonance.contracts.sealed import SealedRow
from dissonance.contracts.verdicts import Reason, Verdict
from dissonance.roles.serving import Matrix
from dissonance.security.rows import open_rows
from support.walk import POLICY, TASK, Walk, row

THREE = msgspec.structs.replace(TASK, task_id="3" * 32, name="three", classes=("low", "middle", "high"))


class SayOneOfThree:
    """`low` with probability x; of the rest, three quarters `middle` and one `high`."""

    def probabilities(self, features: Matrix) -> Matrix:
        x = features[:, 0]
        return np.column_stack([x, 0.75 * (1.0 - x), 0.25 * (1.0 - x)])


def told(story: Callable[[Walk], Awaitable[None]], gap: float = 0.1) -> None:
    async def run() -> None:
        await story(await Walk.open(gap, POLICY, THREE, SayOneOfThree()))

    asyncio.run(run())


async def stored_row(walk: Walk, prediction_id: bytes) -> SealedRow:
    experience = (await walk.store.find(THREE.task_id, [prediction_id]))[prediction_id]
    keys = await walk.keys.find(THREE.task_id, [experience.data_subject])
    (opened,) = open_rows(keys, THREE.task_id, [prediction_id], [experience.data_subject], [experience.sealed])
    assert opened is not None
    return opened


def test_an_answer_among_three_classes_walks_to_the_store_with_all_its_probabilities() -> None:
    async def story(walk: Walk) -> None:
        reply = (await walk.post("three/predict?contradict=true", {"rows": [row(x=0.2)]})).json()
        (prediction,) = reply["predictions"]
        assert reply["classes"] == ["low", "middle", "high"]
        assert prediction["class"] == "middle"
        assert prediction["probabilities"] == pytest.approx([0.2, 0.6, 0.2])
        assert (prediction["doubt"], prediction["dissonance"]) == pytest.approx((0.5, 0.1))
        await walk.pump()
        prediction_id = id_from_text(prediction["prediction_id"])
        kept = await stored_row(walk, prediction_id)
        assert np.frombuffer(kept.probabilities) == pytest.approx([0.2, 0.6, 0.2])
        assert np.frombuffer(kept.critic) == pytest.approx([0.25, 0.5, 0.25])
        experience = (await walk.store.find(THREE.task_id, [prediction_id]))[prediction_id]
        assert (experience.confidence, experience.dissonance) == pytest.approx((0.5, 0.1))

    told(story)


def test_the_critic_shares_what_it_takes_from_the_answer_in_the_proposers_proportions() -> None:
    async def story(walk: Walk) -> None:
        rows = [row(x=0.8), row(x=0.0, person="p2"), row(x=1.0, person="p3")]
        said = (await walk.post("three/contradict", {"rows": rows})).json()["contradictions"]
        assert [each["class"] for each in said] == ["low", "middle", "low"]
        assert said[0]["critic"] == pytest.approx([0.7, 0.225, 0.075])
        assert said[1]["critic"] == pytest.approx([0.0, 0.65, 0.35])
        assert said[2]["critic"] == pytest.approx([0.9, 0.05, 0.05])
        assert [each["dissonance"] for each in said] == pytest.approx([0.1] * 3)

    told(story)


def test_labels_of_each_class_count_as_right_only_where_they_are_the_answer() -> None:
    async def story(walk: Walk) -> None:
        ids = await walk.predict([row(x=x, person=f"p{i}") for i, x in enumerate((0.9, 0.1, 0.1, 0.9))])
        await walk.pump()
        labels = zip(ids, ("low", "middle", "high", "middle"), strict=True)
        body = {"labels": [{"prediction_id": each, "label": label} for each, label in labels]}
        assert (await walk.post("three/labels", body)).json()["accepted"] == 4
        await walk.pump()
        (window,) = (await walk.get("three/windows")).json()["windows"]
        assert (window["labelled"], window["realised_accuracy"]) == (4, 0.5)
        stored = await walk.store.find(THREE.task_id, [id_from_text(each) for each in ids])
        assert [stored[id_from_text(each)].right for each in ids] == [True, True, False, False]

    told(story)


def test_a_label_that_is_a_class_of_another_task_is_refused_with_the_three_named() -> None:
    async def story(walk: Walk) -> None:
        (known,) = await walk.predict([row()])
        await walk.pump()
        refused = await walk.post("three/labels", {"labels": [{"prediction_id": known, "label": "yes"}]})
        assert (refused.status, refused.json()["type"]) == (422, "urn:dissonance:problem:unknown-class")
        assert "'low', 'middle', 'high'" in refused.json()["fix"]

    told(story)


def test_rows_of_three_classes_are_gated_by_their_dissonance() -> None:
    async def story(walk: Walk) -> None:
        await walk.predict([row(x=0.8, person=f"p{i}") for i in range(3)])
        await walk.pump()
        stored = await walk.store.between(THREE.task_id, 0, 2**60)
        assert sorted((each.verdict, each.reason) for each in stored) == [
            (Verdict.ADMITTED, Reason.WITHIN_BUDGET),
            (Verdict.ADMITTED, Reason.WITHIN_BUDGET),
            (Verdict.BLOCKED, Reason.BUDGET),
        ]

    told(story, gap=0.3)
