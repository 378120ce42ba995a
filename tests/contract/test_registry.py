"""What every registry must do; holds for the memory double and for MLflow."""

from __future__ import annotations

from collections.abc import Iterator
from uuid import uuid4

import pytest
from msgspec.structs import replace

from dissonance.adapters.clock import SystemClock
from dissonance.adapters.memory.clock import FixedClock
from dissonance.adapters.memory.registry import MemoryRegistry
from dissonance.adapters.mlflow.credentials import bearer
from dissonance.adapters.mlflow.registry import MlflowRegistry
from dissonance.errors import EngineUnavailable, ModelNotFound, TaskExists
from dissonance.ports.registry import Alias, Day, ModelRole, ModelVersion, Registry
from dissonance.security.service_tokens import ServiceToken
from dissonance.security.tls import client_context
from support.engines import issuer_of

PROPOSER, CRITIC = ModelRole.PROPOSER, ModelRole.CRITIC


@pytest.fixture(params=["memory", "mlflow"])
def registry(request: pytest.FixtureRequest) -> Iterator[Registry]:
    if request.param == "memory":
        yield MemoryRegistry(FixedClock())
    else:
        engines = request.getfixturevalue("all_engines")
        issuer = issuer_of(request.getfixturevalue("all_engines_folder"))
        token = ServiceToken(issuer, SystemClock(), subject="registrar", grant="registrar")
        assert engines.tls is not None
        tls = client_context(engines.tls)
        yield MlflowRegistry(engines.mlflow_url, bearer(token), tls, clock=SystemClock())


class NewTask:
    """A task of its own for each test, since the real registry is shared by all."""

    def __init__(self) -> None:
        self.task_id = uuid4().hex
        self.name = f"task-{self.task_id[:12]}"

    def register(
        self,
        registry: Registry,
        role: ModelRole = PROPOSER,
        artefact: bytes = b"sealed",
        digest: str = "d" * 64,
        parent: int | None = None,
    ) -> ModelVersion:
        return registry.register(
            self.task_id,
            self.name,
            role,
            artefact,
            digest,
            metrics={"golden_accuracy": 0.875},
            parameters={"seed": "7"},
            parent=parent,
            documents={"model-card.md": b"# a card"},
        )


@pytest.fixture
def task() -> NewTask:
    return NewTask()


def test_versions_count_up_and_are_listed_newest_first(registry: Registry, task: NewTask) -> None:
    first = task.register(registry, digest="1" * 64)
    second = task.register(registry, digest="2" * 64, parent=first.version)
    assert (first.version, second.version) == (1, 2)
    listed = registry.versions(task.task_id, PROPOSER)
    assert [(version.version, version.digest, version.parent) for version in listed] == [
        (2, "2" * 64, 1),
        (1, "1" * 64, None),
    ]


def marked(registry: Registry, task: NewTask) -> list[tuple[int, bool, Alias | None]]:
    return [(each.version, each.in_production, each.alias) for each in registry.versions(task.task_id, PROPOSER)]


def test_a_candidate_becomes_the_canary_and_then_production_and_is_one_of_them_at_a_time(
    registry: Registry, task: NewTask
) -> None:
    for _ in range(3):
        task.register(registry)
    registry.promote(registry.version(task.task_id, PROPOSER, 1))
    for number in (2, 3):
        registry.mark(task.task_id, PROPOSER, Alias.CANDIDATE, number)
    assert marked(registry, task) == [(3, False, Alias.CANDIDATE), (2, False, None), (1, True, None)]
    registry.mark(task.task_id, PROPOSER, Alias.CANARY, 3)
    assert marked(registry, task)[0] == (3, False, Alias.CANARY)
    registry.promote(registry.version(task.task_id, PROPOSER, 3))
    assert marked(registry, task) == [(3, True, None), (2, False, None), (1, False, None)]


def test_what_goes_into_production_is_no_candidate_though_it_became_one_in_that_moment(
    registry: Registry, task: NewTask
) -> None:
    read = task.register(registry)
    registry.mark(task.task_id, PROPOSER, Alias.CANDIDATE, read.version)
    registry.promote(read)
    assert marked(registry, task) == [(1, True, None)]
    assert registry.production(task.task_id, PROPOSER).alias is None


def test_a_canary_that_ends_is_nothing_and_no_alias_points_at_a_version_that_is_not_there(
    registry: Registry, task: NewTask
) -> None:
    task.register(registry)
    registry.mark(task.task_id, PROPOSER, Alias.CANARY, 1)
    for _ in range(2):
        registry.mark(task.task_id, PROPOSER, Alias.CANARY, None)
    assert marked(registry, task) == [(1, False, None)]
    with pytest.raises(ModelNotFound):
        registry.mark(task.task_id, PROPOSER, Alias.CANDIDATE, 2)


def test_a_version_says_what_it_was_registered_with(registry: Registry, task: NewTask) -> None:
    registered = task.register(registry)
    (listed,) = registry.versions(task.task_id, PROPOSER)
    assert listed == registered
    assert (listed.task_id, listed.role, listed.metrics) == (task.task_id, PROPOSER, {"golden_accuracy": 0.875})
    assert listed.created_at_us > 1_600_000_000_000_000


def test_one_version_is_told_as_it_is_listed(registry: Registry, task: NewTask) -> None:
    for _ in range(3):
        task.register(registry)
    registry.promote(registry.version(task.task_id, PROPOSER, 1))
    registry.mark(task.task_id, PROPOSER, Alias.CANARY, 2)
    assert [registry.version(task.task_id, PROPOSER, number) for number in (3, 2, 1)] == registry.versions(
        task.task_id, PROPOSER
    )
    with pytest.raises(ModelNotFound):
        registry.version(task.task_id, PROPOSER, 9)


def test_a_version_keeps_the_parameters_it_was_made_with(registry: Registry, task: NewTask) -> None:
    version = task.register(registry).version
    assert registry.parameters(task.task_id, PROPOSER, version) == {"seed": "7"}
    with pytest.raises(ModelNotFound):
        registry.parameters(task.task_id, PROPOSER, 9)


def test_roles_of_a_task_count_their_versions_apart(registry: Registry, task: NewTask) -> None:
    task.register(registry)
    task.register(registry)
    assert task.register(registry, CRITIC).version == 1


def test_artefact_comes_back_to_the_byte(registry: Registry, task: NewTask) -> None:
    content = bytes(range(256)) * 4000
    task.register(registry, artefact=b"first")
    version = task.register(registry, artefact=content)
    assert registry.artefact(task.task_id, PROPOSER, version.version) == content
    assert registry.artefact(task.task_id, PROPOSER, 1) == b"first"


def test_nothing_is_in_production_until_promoted(registry: Registry, task: NewTask) -> None:
    task.register(registry)
    with pytest.raises(ModelNotFound):
        registry.production(task.task_id, PROPOSER)
    assert not registry.versions(task.task_id, PROPOSER)[0].in_production


def test_promoting_moves_production(registry: Registry, task: NewTask) -> None:
    task.register(registry)
    task.register(registry)
    for number in (1, 2, 1):
        registry.promote(registry.version(task.task_id, PROPOSER, number))
        assert registry.production(task.task_id, PROPOSER).version == number
    assert [(v.version, v.in_production) for v in registry.versions(task.task_id, PROPOSER)] == [(2, False), (1, True)]


def test_promoting_a_version_that_does_not_exist_changes_nothing(registry: Registry, task: NewTask) -> None:
    task.register(registry)
    registry.promote(registry.version(task.task_id, PROPOSER, 1))
    with pytest.raises(ModelNotFound):
        registry.promote(replace(registry.version(task.task_id, PROPOSER, 1), version=9))
    assert registry.production(task.task_id, PROPOSER).version == 1


def test_unknown_tasks_and_versions_are_not_found(registry: Registry, task: NewTask) -> None:
    with pytest.raises(ModelNotFound):
        registry.versions(task.task_id, PROPOSER)
    with pytest.raises(ModelNotFound):
        registry.production(task.task_id, PROPOSER)
    task.register(registry)
    with pytest.raises(ModelNotFound):
        registry.artefact(task.task_id, PROPOSER, 2)


def test_another_task_of_the_same_name_is_refused(registry: Registry, task: NewTask) -> None:
    task.register(registry)
    other = NewTask()
    other.name = task.name
    with pytest.raises(TaskExists):
        other.register(registry)


def test_a_deleted_task_is_gone_and_its_name_is_free_again(registry: Registry, task: NewTask) -> None:
    task.register(registry)
    task.register(registry, CRITIC)
    registry.promote(registry.version(task.task_id, PROPOSER, 1))
    registry.delete_task(task.task_id)
    with pytest.raises(ModelNotFound):
        registry.versions(task.task_id, PROPOSER)
    with pytest.raises(ModelNotFound):
        registry.artefact(task.task_id, PROPOSER, 1)
    successor = NewTask()
    successor.name = task.name
    assert successor.register(registry, artefact=b"new").version == 1
    assert registry.artefact(successor.task_id, PROPOSER, 1) == b"new"


def test_deleting_a_task_without_models_is_no_error(registry: Registry, task: NewTask) -> None:
    registry.delete_task(task.task_id)
    registry.ready()


def test_a_registry_that_is_away_says_so() -> None:
    away = MlflowRegistry("http://127.0.0.1:9", None, None, clock=SystemClock())
    double = MemoryRegistry(FixedClock())
    double.available = False
    for registry in (away, double):
        with pytest.raises(EngineUnavailable):
            registry.ready()
        with pytest.raises(EngineUnavailable):
            registry.versions("0" * 32, PROPOSER)
        with pytest.raises(EngineUnavailable):
            NewTask().register(registry)


def test_a_day_has_one_run_which_shows_the_figures_of_the_highest_revision(registry: Registry, task: NewTask) -> None:
    with pytest.raises(ModelNotFound):
        registry.record_day(task.task_id, Day("2026-11-26", 1, {"rows": 1.0}))
    task.register(registry)
    for revision, rows in ((1, 10.0), (3, 30.0), (2, 20.0)):
        registry.record_day(task.task_id, Day("2026-11-26", revision, {"rows": rows}))
    registry.record_day(task.task_id, Day("2026-11-27", 1, {"rows": 5.0}))
    assert registry.days(task.task_id) == [
        Day("2026-11-27", 1, {"rows": 5.0}),
        Day("2026-11-26", 3, {"rows": 30.0}),
    ]
    registry.delete_task(task.task_id)
    assert registry.days(task.task_id) == []
