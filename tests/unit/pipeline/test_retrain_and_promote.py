"""Retrain on what was learnt, promote behind the golden check, take it back."""

from __future__ import annotations

import asyncio
from pathlib import Path

import msgspec
import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from dissonance.contracts.events import ModelPromoted, ModelRolledBack
from dissonance.contracts.topics import EventKind
from dissonance.decisions.pairs import LoadedPair, find_version, load_pair
from dissonance.errors import EngineUnavailable, GateRefused, ModelNotFound, ModelRefused, UnknownTask
from dissonance.errors_of_updates import HoldoutEmpty
from dissonance.pipeline.aliases import list_models
from dissonance.pipeline.promotion import promote
from dissonance.pipeline.reference import kept_from_updates, open_reference
from dissonance.pipeline.retrain import Retrained, _folds, retrain
from dissonance.pipeline.taking_back import rollback
from dissonance.ports.registry import ModelRole
from dissonance.ports.store import Split
from dissonance.science.metrics import accuracy
from support.distributions import labelled_rows
from support.workshop import Served, add_experience, create, frame, published, small_task, updated_task, workshop, write


@pytest.fixture
def served() -> Served:
    return small_task()


@pytest.fixture
def updated() -> Served:
    return updated_task()


def learn(served: Served, n: int, *, flipped: bool = False, persons: list[str] | None = None) -> None:
    """n labelled inputs like the reference rows, or with every label wrong."""
    features, classes = labelled_rows(n, 77)
    names = persons or [f"new-{row}" for row in range(n)]
    labels = [int(1 - label if flipped else label) for label in classes]
    asyncio.run(add_experience(served.work, served.task, features, labels, names))


def retrained(served: Served) -> Retrained:
    return asyncio.run(retrain(served.work, "small"))


def opened(served: Served, version: int) -> LoadedPair:
    found = find_version(served.work.registry, served.task, version)
    return load_pair(served.work.registry, served.work.artefact_keys, served.task, found)


def in_production(served: Served) -> tuple[int, int]:
    """Versions of proposer and critic."""
    task_id = served.task.task_id
    proposer, critic = (served.work.registry.production(task_id, role).version for role in ModelRole)
    return proposer, critic


def test_a_candidate_serves_nobody_until_it_is_promoted(served: Served) -> None:
    learn(served, 300)
    done = retrained(served)
    assert (done.incumbent_version, done.models.proposer.version, done.experience_rows) == (1, 2, 300)
    assert in_production(served) == (1, 1)
    assert done.models.proposer.parent == 1
    assert done.models.critic.parent == 2


def test_both_scores_are_of_the_golden_rows(served: Served) -> None:
    done = retrained(served)
    golden = asyncio.run(open_reference(served.work, served.task, Split.GOLDEN)).rows
    for version, found in ((1, done.incumbent), (2, done.candidate)):
        pair = opened(served, version)
        assert found.accuracy == accuracy(pair.proposer.probabilities(golden.features), golden.classes)
        assert found.interval.low < found.accuracy < found.interval.high
        assert found.rows == len(golden.classes)


def test_experience_teaches_what_the_reference_rows_could_not(served: Served) -> None:
    features, _ = labelled_rows(600, 5)
    features[:, 0] += 20.0  # a region without reference rows, where the answer is the other one
    with_policy(served, KL_eps=1.0)
    asyncio.run(add_experience(served.work, served.task, features, [0] * 600, [f"new-{row}" for row in range(600)]))
    retrained(served)
    old, new = (opened(served, version).proposer for version in (1, 2))
    assert old.probabilities(features)[:, 0].mean() < 0.3
    assert new.probabilities(features)[:, 0].mean() > 0.7


def test_rows_about_golden_persons_are_never_learnt_from(served: Served) -> None:
    golden = asyncio.run(served.work.store.golden_data_subjects(served.task.task_id))
    hashed = {
        served.work.keys.data_subject_hash(served.task.task_id, f"person-{number}"): f"person-{number}"
        for number in range(500)
    }
    inside = hashed[min(golden)]
    outside = next(name for each, name in hashed.items() if each not in golden)
    learn(served, 150, persons=[inside, outside, "somebody"] * 50)
    done = retrained(served)
    assert (done.experience_rows, done.golden_excluded) == (100, 50)


def test_rows_of_erased_persons_are_left_out(served: Served) -> None:
    learn(served, 120, persons=["erased", "kept"] * 60)
    served_hash = served.work.keys.data_subject_hash(served.task.task_id, "erased")
    asyncio.run(served.work.keys.destroy(served.task.task_id, [served_hash]))
    done = retrained(served)
    assert (done.experience_rows, done.erased) == (60, 60)


def reference_rows(served: Served) -> int:
    """Rows of the critic's split that are not kept for estimating windows."""
    stored = asyncio.run(served.work.store.reference(served.task.task_id, Split.CRITIC))
    assert len(stored.data_subjects) == 150
    return sum(not kept_from_updates(data_subject) for data_subject in stored.data_subjects)


def test_the_critic_of_the_candidate_judges_fresh_rows_out_of_fold(served: Served) -> None:
    learn(served, 400, flipped=True)
    done = retrained(served)
    metrics = done.models.critic.metrics
    assert metrics["fitted_rows"] == reference_rows(served) + 400
    # Half the fresh labels contradict the old ones: a critic that was shown fitted answers would not doubt.
    assert metrics["golden_estimated_accuracy"] < 0.8


def test_little_experience_is_learnt_from_but_not_judged_by(served: Served) -> None:
    learn(served, 20)
    done = retrained(served)
    assert "held_out_rise" not in done.numbers
    assert done.experience_rows == 20
    assert done.models.critic.metrics["fitted_rows"] == reference_rows(served) + 20
    assert done.numbers["held_out_rows"] == reference_rows(served)


def test_an_update_is_judged_by_fresh_rows_that_the_incumbent_answered_and_so_never_learnt(served: Served) -> None:
    incumbent = served.work.registry.production(served.task.task_id, ModelRole.PROPOSER)
    features, classes = labelled_rows(250, 77)
    for start, end, model in ((0, 120, "a" * 64), (120, 250, incumbent.digest)):
        names = [f"new-{row}" for row in range(start, end)]
        rows = (features[start:end], classes[start:end].tolist(), names)
        asyncio.run(add_experience(served.work, served.task, *rows, models=(model, "")))
    done = retrained(served)
    assert (done.experience_rows, done.numbers["held_out_rows"]) == (250, 130)
    rise = done.numbers["held_out_loss_after"] - done.numbers["held_out_loss_before"]
    assert done.numbers["held_out_rise"] == pytest.approx(rise)


def test_a_classifier_of_scikit_learn_is_retrained_as_what_it_was(tmp_path: Path) -> None:
    work = workshop()
    task = create(work, write(tmp_path, frame()), estimator=LogisticRegression(C=0.123)).task
    learn(Served(work, task), 50)
    retrained(Served(work, task))
    pair = opened(Served(work, task), 2)
    assert pair.artefact.manifest.format.value == "skops"
    assert pair.proposer.template.C == 0.123  # type: ignore[attr-defined]  # an EstimatorProposer


def with_policy(served: Served, **limits: float) -> None:
    """Set these values of the policy; the others stay."""
    policy = asyncio.run(served.work.store.policy(served.task.task_id))
    changed = msgspec.structs.replace(policy, version=policy.version + 1, **limits)
    asyncio.run(served.work.store.set_policy(served.task.task_id, changed, reason="a test", by="a test"))


def test_promoting_moves_both_models_and_tells_every_replica(served: Served) -> None:
    learn(served, 200)
    done = retrained(served)
    moved = asyncio.run(promote(served.work, "small", by="a test"))
    assert in_production(served) == (2, 2)
    assert (moved.version, moved.critic_version, moved.previous_version) == (2, 2, 1)
    (event,) = asyncio.run(published(served.work, EventKind.MODEL_PROMOTED))
    assert isinstance(event, ModelPromoted)
    assert (event.version, event.previous_version, event.by) == (2, 1, "a test")
    assert event.model_digest == done.models.proposer.digest


def test_a_worse_model_is_refused_with_its_numbers_and_nothing_moves(served: Served) -> None:
    with_policy(served, KL_eps=10.0)
    learn(served, 3000, flipped=True)
    done = retrained(served)
    assert done.candidate.accuracy < done.incumbent.accuracy - 0.1
    with pytest.raises(GateRefused) as caught:
        asyncio.run(promote(served.work, "small", 2, by="a test"))
    assert f"{done.candidate.accuracy:.4f}" in caught.value.what
    assert in_production(served) == (1, 1)
    assert asyncio.run(published(served.work, EventKind.MODEL_PROMOTED)) == []


def test_a_policy_that_allows_the_drop_lets_it_pass(served: Served) -> None:
    with_policy(served, KL_eps=10.0, golden_drop_max=1.0, slice_drop_max=1.0, calibration_rise_max=1.0)
    learn(served, 3000, flipped=True)
    retrained(served)
    asyncio.run(promote(served.work, "small", 2, by="a test"))
    assert in_production(served) == (2, 2)


def test_a_promotion_while_the_bus_is_away_moves_nothing_and_the_same_call_completes_it(updated: Served) -> None:
    updated.work.bus.available = False
    with pytest.raises(EngineUnavailable):
        asyncio.run(promote(updated.work, "small", 2, by="a test"))
    assert in_production(updated) == (1, 1)
    updated.work.bus.available = True
    again = asyncio.run(promote(updated.work, "small", 2, by="a test"))
    assert (again.version, again.previous_version) == (2, 1)
    assert in_production(updated) == (2, 2)


def test_promoting_what_is_in_production_tells_every_replica_again(updated: Served) -> None:
    asyncio.run(promote(updated.work, "small", 2, by="a test"))
    again = asyncio.run(promote(updated.work, "small", 2, by="a test"))
    assert (again.version, again.previous_version, again.judged) == (2, 2, None)
    told = asyncio.run(published(updated.work, EventKind.MODEL_PROMOTED))
    assert [event.version for event in told if isinstance(event, ModelPromoted)] == [2, 2]


def test_rolling_back_returns_to_what_was_replaced(updated: Served) -> None:
    asyncio.run(promote(updated.work, "small", by="a test"))
    back = asyncio.run(rollback(updated.work, "small", by="a test"))
    assert in_production(updated) == (1, 1)
    assert (back.version, back.previous_version) == (1, 2)
    (event,) = asyncio.run(published(updated.work, EventKind.MODEL_ROLLED_BACK))
    assert isinstance(event, ModelRolledBack)
    assert (event.version, event.previous_version) == (1, 2)


def test_rolling_back_to_a_version_by_name_asks_no_golden_check(served: Served) -> None:
    learn(served, 3000, flipped=True)
    retrained(served)
    asyncio.run(promote(served.work, "small", 2, by="a test", override="it looks fine"))
    asyncio.run(rollback(served.work, "small", by="a test"))
    asyncio.run(rollback(served.work, "small", 2, by="a test"))
    assert in_production(served) == (2, 2)


def test_the_first_version_has_nothing_to_roll_back_to(served: Served) -> None:
    with pytest.raises(ModelNotFound, match="replaced no other"):
        asyncio.run(rollback(served.work, "small", by="a test"))


def test_a_version_that_is_not_there_is_answered_with_those_there_are(updated: Served) -> None:
    with pytest.raises(ModelNotFound) as caught:
        asyncio.run(promote(updated.work, "small", 9, by="a test"))
    assert caught.value.fix == "the versions are 1, 2"


def test_a_candidate_whose_critic_was_never_registered_is_passed_over(updated: Served) -> None:
    del updated.work.registry._models[updated.task.task_id, ModelRole.CRITIC].versions[-1]
    assert find_version(updated.work.registry, updated.task, None).version == 1
    assert find_version(updated.work.registry, updated.task, 2).version == 2


def test_a_damaged_model_is_refused_and_the_old_one_keeps_serving(updated: Served) -> None:
    asyncio.run(promote(updated.work, "small", 2, by="a test", override="it looks fine"))
    asyncio.run(rollback(updated.work, "small", by="a test"))
    model = updated.work.registry._models[updated.task.task_id, ModelRole.CRITIC]
    model.artefacts[1] = model.artefacts[1][:-1] + bytes([model.artefacts[1][-1] ^ 1])
    for move in (promote, rollback):
        with pytest.raises(ModelRefused, match="seal is broken"):
            asyncio.run(move(updated.work, "small", 2, by="a test"))
    assert in_production(updated) == (1, 1)


def test_a_model_swapped_for_another_signed_one_is_refused(served: Served) -> None:
    learn(served, 60)
    retrained(served)
    artefacts = served.work.registry._models[served.task.task_id, ModelRole.PROPOSER].artefacts
    artefacts[1] = artefacts[0]
    with pytest.raises(ModelRefused, match="put in the place of 2"):
        asyncio.run(promote(served.work, "small", 2, by="a test"))


def test_a_task_without_golden_rows_left_promotes_nothing(updated: Served) -> None:
    golden = asyncio.run(updated.work.store.golden_data_subjects(updated.task.task_id))
    asyncio.run(updated.work.keys.destroy(updated.task.task_id, list(golden)))
    with pytest.raises(GateRefused, match="no golden row"):
        asyncio.run(promote(updated.work, "small", 2, by="a test"))
    with pytest.raises(HoldoutEmpty, match=r"no rows left.*dissonance task golden small --data"):
        retrained(updated)


def test_models_are_listed_with_what_is_in_production(updated: Served) -> None:
    listed = asyncio.run(list_models(updated.work, "small"))
    assert [(each.role.value, each.version, each.in_production) for each in listed] == [
        ("proposer", 2, False),
        ("proposer", 1, True),
        ("critic", 2, False),
        ("critic", 1, True),
    ]


def test_an_unknown_task_is_named() -> None:
    for call in (retrain(workshop(), "none"), promote(workshop(), "none", by="x"), list_models(workshop(), "none")):
        with pytest.raises(UnknownTask):
            asyncio.run(call)


def test_folds_do_not_part_a_person(served: Served) -> None:
    persons = [bytes([row % 10]) * 16 for row in range(100)]
    folds = _folds(persons, 1)
    assert {len({int(f) for f, who in zip(folds, persons, strict=True) if who == each}) for each in persons} == {1}
    assert np.bincount(folds).tolist() == [50, 50]
    assert np.bincount(_folds([b"\x01" * 16] * 100, 1)).tolist() == [50, 50]
