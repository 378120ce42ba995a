"""From a file to a task in production, or to nothing at all."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from dissonance.contracts.events import TaskCreated
from dissonance.contracts.policy import Policy
from dissonance.contracts.topics import EventKind
from dissonance.decisions.pairs import load_pair
from dissonance.errors import EngineUnavailable, InvalidDataFile, ModelNotFound, TaskExists, UnknownTask, WrongType
from dissonance.pipeline.create_task import Columns, create_task
from dissonance.pipeline.delete_task import delete_task
from dissonance.pipeline.reference import open_reference
from dissonance.ports.registry import ModelRole
from dissonance.ports.store import Split
from dissonance.science.metrics import accuracy
from support.workshop import COLUMNS, Workshop, add_experience, create, frame, published, small_task, workshop, write


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return write(tmp_path, frame())


def test_a_created_task_can_be_served(data: Path) -> None:
    work = workshop()
    created = create(work, data)
    task = created.task
    assert (task.classes, task.target, task.data_subject_column) == (("no", "yes"), "label", "person")
    assert task.schema.names == ("first", "second", "kind")
    assert asyncio.run(work.store.by_name("small")) == task
    production = work.registry.production(task.task_id, ModelRole.PROPOSER)
    pair = load_pair(work.registry, work.artefact_keys, task, production)
    assert pair.critic_version.version == work.registry.production(task.task_id, ModelRole.CRITIC).version
    golden = asyncio.run(open_reference(work, task, Split.GOLDEN)).rows
    p = pair.proposer.probabilities(golden.features)
    assert accuracy(p, golden.classes) == created.golden.accuracy > 0.7
    assert production.metrics["golden_accuracy"] == created.golden.accuracy
    assert pair.critic.confidence(golden.features, p).mean() == pytest.approx(created.golden.accuracy, abs=0.1)


def test_limits_in_force_come_from_the_reference_rows_under_the_given_caps(data: Path) -> None:
    work = workshop()
    given = Policy(version=7, d_budget_per_hour=3, window_rows=100)
    created = create(work, data, policy=given)
    in_force = asyncio.run(work.store.policy(created.task.task_id))
    assert in_force == created.policy
    assert (in_force.version, in_force.d_budget_per_hour) == (1, 3)
    assert 0.0 < in_force.D_target < given.D_target
    assert in_force.D_target < in_force.max_dissonance < given.max_dissonance


def test_every_row_is_stored_sealed_and_no_person_is_in_two_parts() -> None:
    work, task = small_task()
    parts = [asyncio.run(open_reference(work, task, split)) for split in Split]
    assert sorted(number for part in parts for number in part.row_numbers) == list(range(1000))
    persons = [set(part.data_subjects) for part in parts]
    assert sum(map(len, persons)) == len(set.union(*persons)) == 500
    first = parts[0].rows.features[0].tobytes()
    stored = asyncio.run(work.store.reference(task.task_id, Split.TRAIN))
    assert not any(first in sealed for sealed in stored.sealed)


def test_the_same_file_and_seed_give_the_same_models(data: Path) -> None:
    one, two, other = create(workshop(), data), create(workshop(), data), create(workshop(), data, seed=2)
    assert one.golden == two.golden
    assert one.models.proposer.digest == two.models.proposer.digest
    assert one.models.proposer.digest != other.models.proposer.digest


@pytest.mark.parametrize("name", ["data.csv", "data.parquet"])
def test_three_classes_without_persons_from_either_format(tmp_path: Path, name: str) -> None:
    rows = frame(900, classes=3).drop(columns="person")
    created = create(workshop(), write(tmp_path, rows, name), columns=Columns(target="label"))
    assert created.task.classes == ("no", "perhaps", "yes")
    assert created.golden.accuracy > 0.5
    assert (created.train_rows, created.critic_rows, created.golden.rows) == (630, 135, 135)


def test_any_classifier_may_be_the_proposer(data: Path) -> None:
    work = workshop()
    created = create(work, data, estimator=LogisticRegression())
    pair = load_pair(work.registry, work.artefact_keys, created.task, created.models.proposer)
    assert pair.artefact.manifest.format.value == "skops"
    assert pair.proposer.probabilities(np.zeros((1, 3))).shape == (1, 2)


def test_twins_are_counted_and_not_refused(tmp_path: Path) -> None:
    rows = frame(600).assign(first=0, second=1.0)
    created = create(workshop(), write(tmp_path, rows))
    assert created.twins == created.golden.rows > 0


def test_creation_is_told_on_the_bus_and_progress_ends_at_done(data: Path) -> None:
    work, seen = workshop(), []
    created = create(work, data, progress=lambda stage, share: seen.append((stage, share)))
    (event,) = asyncio.run(published(work, EventKind.TASK_CREATED))
    assert isinstance(event, TaskCreated)
    assert (event.task_id, event.name) == (created.task.task_id, "small")
    assert seen[:2] == [("ask the engines", 0.0), ("read", 0.0)]
    assert ("seal the rows", 0.0) in seen
    assert seen[-1] == ("done", 1.0)


@pytest.mark.parametrize("name", ["", "Upper", "-dash", "a b", "x" * 64, "a/b"])
def test_a_name_that_fits_no_address_is_refused(data: Path, name: str) -> None:
    with pytest.raises(WrongType, match="cannot name a task"):
        create(workshop(), data, name=name)


def test_a_name_in_use_is_refused_and_its_task_left_alone(data: Path) -> None:
    work, first = small_task()
    with pytest.raises(TaskExists):
        create(work, data)
    assert work.registry.production(first.task_id, ModelRole.PROPOSER).version == 1


def nothing_is_kept(work: Workshop) -> bool:
    """No task, and no key that was made is left."""
    return asyncio.run(work.store.all()) == [] and not work.registry._models and not work.keys._shared.wrapped


@pytest.mark.parametrize("killed_after", ["its rows", "its models"])
def test_what_a_killed_creation_left_is_removed_by_the_next(data: Path, killed_after: str) -> None:
    work, left = small_task()
    # As a kill -9 leaves it: nothing is in production yet.
    if killed_after == "its rows":
        work.registry.delete_task(left.task_id)
    else:
        work.registry._models[left.task_id, ModelRole.PROPOSER].production = None
    made = create(work, data).task
    assert asyncio.run(work.store.all()) == [made]
    assert work.registry.production(made.task_id, ModelRole.PROPOSER).version == 1
    with pytest.raises(ModelNotFound):
        work.registry.versions(left.task_id, ModelRole.PROPOSER)


def test_a_task_with_experience_is_kept_though_its_models_are_gone(data: Path) -> None:
    work, task = small_task()
    work.registry.delete_task(task.task_id)
    asyncio.run(add_experience(work, task, np.zeros((1, 3)), [0], ["somebody"]))
    with pytest.raises(TaskExists):
        create(work, data)
    assert asyncio.run(work.store.all()) == [task]


def test_a_name_that_another_process_is_making_a_task_of_is_refused(data: Path) -> None:
    work = workshop()

    async def story() -> None:
        async with work.store.claim("small"):
            with pytest.raises(TaskExists, match="being made"):
                await create_task(work, name="small", data=data, columns=COLUMNS)

    asyncio.run(story())
    assert nothing_is_kept(work)


def test_a_file_that_cannot_be_used_leaves_nothing(tmp_path: Path) -> None:
    work = workshop()
    with pytest.raises(InvalidDataFile):
        create(work, write(tmp_path, frame(100)))
    assert nothing_is_kept(work)


def bus_is_away(work: Workshop) -> None:
    work.bus.available = False


def registry_is_away(work: Workshop) -> None:
    work.registry.available = False


@pytest.mark.parametrize("hurt", [bus_is_away, registry_is_away])
def test_an_engine_that_is_away_is_named_before_anything_is_read(data: Path, hurt: Callable[[Workshop], None]) -> None:
    work = workshop()
    hurt(work)
    seen: list[str] = []
    with pytest.raises(EngineUnavailable, match=r"(NATS|MLflow) does not answer, so nothing was read or fitted"):
        create(work, data, progress=lambda stage, share: seen.append(stage))
    assert seen == ["ask the engines"]
    assert nothing_is_kept(work)


@pytest.mark.parametrize("stage", ["seal the rows", "put into production"])
def test_of_models_only_those_that_may_be_there_are_said_to_remain(
    data: Path, stage: str, caplog: pytest.LogCaptureFixture
) -> None:
    """The registry goes away before, or after, it was given any."""
    work = workshop()

    def hurt(now: str, share: float) -> None:
        work.registry.available = work.registry.available and now != stage

    with pytest.raises(EngineUnavailable):
        create(work, data, progress=hurt)
    said = [record.getMessage() for record in caplog.records if "may remain" in record.getMessage()]
    assert [line.split(" of ")[0] for line in said] == (["models"] if stage == "put into production" else [])
    assert asyncio.run(work.store.all()) == []


class Interrupted(BaseException):
    """Like Ctrl-C, which is no Exception."""


def test_an_interruption_while_rows_are_sealed_leaves_nothing(data: Path) -> None:
    work = workshop()

    def interrupt(stage: str, share: float) -> None:
        if stage == "register the models":
            raise Interrupted

    with pytest.raises(Interrupted):
        create(work, data, progress=interrupt)
    assert nothing_is_kept(work)


def test_a_deleted_task_is_gone_with_its_keys_and_models_and_its_name_is_free(data: Path) -> None:
    work, task = small_task()
    sealed = asyncio.run(work.store.reference(task.task_id, Split.GOLDEN))
    assert asyncio.run(delete_task(work, "small")) == task
    with pytest.raises(UnknownTask):
        asyncio.run(work.store.by_name("small"))
    with pytest.raises(ModelNotFound):
        work.registry.versions(task.task_id, ModelRole.PROPOSER)
    assert asyncio.run(work.keys.find(task.task_id, sealed.data_subjects)) == {}
    (event,) = asyncio.run(published(work, EventKind.TASK_DELETED))
    assert event.task_id == task.task_id
    assert create(work, data).task.task_id != task.task_id


def test_a_deletion_that_was_cut_short_can_be_repeated() -> None:
    work = small_task().work
    work.registry.available = False
    with pytest.raises(EngineUnavailable):
        asyncio.run(delete_task(work, "small"))
    work.registry.available = True
    asyncio.run(delete_task(work, "small"))
    assert asyncio.run(work.store.all()) == []


@pytest.mark.parametrize(
    "columns",
    [
        COLUMNS._replace(target="none"),
        COLUMNS._replace(time="none"),
        COLUMNS._replace(data_subject="label"),
        COLUMNS._replace(numeric=("kind",)),
    ],
)
def test_columns_that_do_not_fit_the_file_are_refused(data: Path, columns: Any) -> None:
    with pytest.raises(InvalidDataFile):
        create(workshop(), data, columns=columns)
