"""The model that answered a window: from real models and sealed rows, and only from what can be opened."""

from __future__ import annotations

import asyncio
from pathlib import Path

import numpy as np
import pandas
import pytest

from dissonance.contracts.estimates import EstimateVerdict, WindowEstimate
from dissonance.contracts.policy import Policy
from dissonance.contracts.schema import Feature, FeatureKind
from dissonance.errors import ModelNotFound
from dissonance.pipeline.aliases import open_pair
from dissonance.pipeline.estimates import PipelineEstimates, part_name
from dissonance.pipeline.reference import open_kept, open_reference
from dissonance.pipeline.retrain import gather, retrain
from dissonance.ports.registry import ModelRole
from dissonance.ports.store import Split
from dissonance.science.explanation import SliceHarm
from support.estimates import estimated, traffic, with_window
from support.workshop import add_experience, create, frame, small_task, workshop, write


def test_traffic_like_the_reference_is_as_accurate_as_that_and_no_harm() -> None:
    estimate = estimated(Policy())
    assert estimate.verdict is EstimateVerdict.TOLD
    assert estimate.accuracy == pytest.approx(estimate.reference_accuracy, abs=0.04)
    assert estimate.low is not None and estimate.high is not None and estimate.bound is not None
    assert estimate.low < estimate.accuracy < estimate.high
    assert estimate.bound < estimate.accuracy
    assert estimate.auc < 0.6
    assert estimate.p_value is not None and estimate.p_value > 0.05
    assert (estimate.features, estimate.slices, estimate.separating) == ((), (), ())


def test_a_fall_is_harm_and_says_which_features_and_slices_carry_it() -> None:
    estimate = estimated(Policy(), fallen=True)
    assert estimate.accuracy is not None and estimate.accuracy < estimate.reference_accuracy - 0.1
    assert estimate.p_value is not None and estimate.p_value < 0.01
    assert {each.feature for each in estimate.features} <= {"first", "second", "kind"}
    assert estimate.features[0].carried >= estimate.features[-1].carried > 0.0
    named = {(each.feature, each.value): each for each in estimate.slices}
    assert named["kind", "c"].window_share == 1.0
    assert named["kind", "c"].reference_share == pytest.approx(0.25, abs=0.06)


def test_slices_of_few_people_are_not_named() -> None:
    estimate = estimated(Policy(slice_rows_min=401), fallen=True)
    assert estimate.features
    assert estimate.slices == ()


def test_a_window_that_one_feature_sets_apart_gets_no_number_and_the_feature_is_named() -> None:
    async def story() -> None:
        window = await with_window(work, task, traffic(400, 7) + np.array([40.0, 0.0, 0.0]))
        estimate = await PipelineEstimates(work).of(task, Policy(), window)
        assert estimate is not None
        assert estimate.verdict is EstimateVerdict.CANNOT_TELL
        assert estimate.separating == ("first",)
        assert (estimate.accuracy, estimate.low, estimate.bound, estimate.p_value) == (None, None, None, None)

    work, task = small_task(6_000)
    asyncio.run(story())


def test_a_column_that_no_answer_depends_on_does_not_set_a_window_apart(tmp_path: Path) -> None:
    async def story() -> None:
        features = np.column_stack((traffic(200, 7), np.full(200, 2016.0)))
        estimate = await PipelineEstimates(work).of(task, Policy(), await with_window(work, task, features))
        assert estimate is not None and estimate.verdict is EstimateVerdict.TOLD

    work = workshop()
    data: pandas.DataFrame = frame(2_000).assign(year=2015.0)
    task = create(work, write(tmp_path, data)).task
    assert task.schema.names == ("first", "second", "kind", "year")
    asyncio.run(story())


def test_the_same_window_gets_the_same_estimate_from_a_process_that_fitted_before() -> None:
    async def story() -> None:
        window = await with_window(work, task, traffic(100, 7))
        estimates = PipelineEstimates(work)
        first = await estimates.of(task, Policy(), window)
        assert first is not None
        assert await estimates.of(task, Policy(), window) == first
        assert await PipelineEstimates(work).of(task, Policy(), window) == first

    work, task = small_task()
    asyncio.run(story())


def test_rows_of_the_erased_are_in_no_estimate_and_too_few_rows_give_none() -> None:
    async def story() -> None:
        window = await with_window(work, task, traffic(40, 7))
        estimates = PipelineEstimates(work)
        before = await estimates.of(task, Policy(), window)
        stored = await work.store.reference(task.task_id, Split.CRITIC)
        await work.keys.destroy(task.task_id, stored.data_subjects[:5])
        after = await estimates.of(task, Policy(), window)
        assert before is not None and after is not None
        assert after.reference_rows < before.reference_rows
        people = [work.keys.data_subject_hash(task.task_id, f"someone-{number}") for number in range(11)]
        await work.keys.destroy(task.task_id, people)
        assert await estimates.of(task, Policy(), window) is None

    work, task = small_task()
    asyncio.run(story())


def test_reference_of_many_rows_is_thinned_evenly_before_it_is_opened() -> None:
    work, task = small_task()
    whole = asyncio.run(open_kept(work, task, 10_000))
    some = asyncio.run(open_kept(work, task, 5))
    every = len(whole.row_numbers)
    assert some.row_numbers == [whole.row_numbers[i * (every - 1) // 4] for i in range(5)]
    assert len(asyncio.run(open_kept(work, task, every)).row_numbers) == every


def test_half_of_the_critics_people_are_kept_from_updates() -> None:
    work, task = small_task(2_000)
    people = set(asyncio.run(open_reference(work, task, Split.CRITIC)).data_subjects)
    kept = set(asyncio.run(open_kept(work, task, 10_000)).data_subjects)
    assert kept < people
    assert 0.3 < len(kept) / len(people) < 0.7
    material = asyncio.run(gather(work, task))
    assert set(material.critic.data_subjects) == people - kept


def test_labels_of_inputs_that_the_model_answered_teach_what_its_answers_are_worth() -> None:
    """Where answers are a toss-up by what the model says, all labels say that they are wrong."""

    async def story() -> tuple[WindowEstimate, WindowEstimate, WindowEstimate]:
        proposer = await asyncio.to_thread(work.registry.production, task.task_id, ModelRole.PROPOSER)
        pair = await open_pair(work, task, proposer)
        rows = traffic(300, 11, fallen=True)
        wrong = (1 - pair.proposer.probabilities(rows).argmax(axis=1)).tolist()
        window = await with_window(work, task, traffic(200, 12, fallen=True))
        estimates = [await PipelineEstimates(work).of(task, Policy(), window)]
        for digest in ("e" * 64, proposer.digest):
            work.clock.advance(60)
            people = [f"{digest[:4]}-{number}" for number in range(len(rows))]
            await add_experience(work, task, rows, wrong, people, models=(digest, ""), right=(False, None))
            estimates.append(await PipelineEstimates(work).of(task, Policy(), window))
        alone, of_others, of_its_own = estimates
        assert alone is not None and of_others is not None and of_its_own is not None
        return alone, of_others, of_its_own

    work, task = small_task(2_000)
    alone, of_others, of_its_own = asyncio.run(story())
    assert of_others == alone, "another model's answers say nothing of this one's"
    assert of_its_own.reference_rows == alone.reference_rows + 300
    assert of_its_own.reference_accuracy == alone.reference_accuracy
    assert alone.accuracy is not None and of_its_own.accuracy is not None
    assert of_its_own.accuracy < alone.accuracy - 0.2


def test_a_window_is_estimated_with_the_model_that_answered_it_or_not_at_all() -> None:
    async def story() -> None:
        estimates = PipelineEstimates(work)
        first = await asyncio.to_thread(work.registry.production, task.task_id, ModelRole.PROPOSER)
        window = await with_window(work, task, traffic(60, 7))
        work.clock.advance(60)
        second = (await retrain(work, task.name)).models.proposer
        work.registry.promote(work.registry.version(task.task_id, ModelRole.PROPOSER, second.version))
        later = await with_window(work, task, traffic(60, 7))
        before, after = [await estimates.of(task, Policy(), each) for each in (window, later)]
        assert before is not None and after is not None
        assert (before.model_digest, after.model_digest) == (first.digest, second.digest)
        assert await estimates.of(task, Policy(), window) == before, "the first one's turn again"
        work.clock.advance(60)
        with pytest.raises(ModelNotFound):
            await estimates.of(task, Policy(), await with_window(work, task, traffic(60, 7), "d" * 64))

    work, task = small_task()
    asyncio.run(story())


def part(code: int | None = None, low: float | None = None, high: float | None = None) -> SliceHarm:
    return SliceHarm(0, code, low, high, 0.5, 0.5, 0.8, 0.7, 0.05)


def test_parts_have_the_names_that_the_schema_gives_them() -> None:
    kind = Feature("kind", FeatureKind.CATEGORY, categories=("a", "b"))
    age = Feature("age", FeatureKind.NUMBER, minimum=0.0, maximum=99.0)
    assert part_name(kind, part(code=1)) == "b"
    assert part_name(kind, part()) == "missing"
    assert part_name(age, part(low=-np.inf, high=25.04)) == "..25"
    assert part_name(age, part(low=25.04, high=60.0)) == "25..60"
    assert part_name(age, part(low=60.0, high=np.inf)) == "60.."
