"""What a token may do at MLflow, and what never reaches MLflow's own check."""

from __future__ import annotations

import pytest

from dissonance.adapters.mlflow_server.rights import Level, Rights, may_ask, owner, rights_of
from dissonance.security.grants import default_grants
from dissonance.security.identity import Identity

READS, WRITES = Rights(False, Level.READ, frozenset({"census"})), Rights(False, Level.MANAGE, frozenset({"census"}))


def holder(grant: str, task: str = "*") -> Identity:
    return Identity("ada", default_grants()[grant], frozenset({task}), 0)


@pytest.mark.parametrize(
    ("grant", "level"),
    [("client", Level.NONE), ("labeller", Level.NONE), ("viewer", Level.READ), ("registrar", Level.MANAGE)],
)
def test_level_follows_from_the_permissions(grant: str, level: Level) -> None:
    rights = rights_of(holder(grant))

    assert (rights.level, rights.is_admin) == (level, False)


def test_no_grant_of_people_but_admin_writes_at_mlflow() -> None:
    writers = {grant for grant in default_grants() if rights_of(holder(grant)).level is Level.MANAGE}

    assert writers == {"registrar", "admin"}


def test_admin_of_one_task_is_no_admin_of_mlflow() -> None:
    assert rights_of(holder("admin")).is_admin
    assert not rights_of(holder("admin", "census")).is_admin


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/"),
        ("GET", "/ajax-api/2.0/mlflow/runs/get"),
        ("POST", "/api/2.0/mlflow/experiments/search"),
        ("POST", "/ajax-api/2.0/mlflow/experiments/search-datasets"),
        ("POST", "/graphql"),
    ],
)
def test_reader_may_ask_for_what_is_read(method: str, path: str) -> None:
    assert may_ask(READS, method, path)
    assert not may_ask(READS._replace(level=Level.NONE), method, path)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/api/2.0/mlflow/experiments/create"),
        ("POST", "/api/2.0/mlflow/registered-models/create"),
        ("DELETE", "/api/2.0/mlflow/model-versions/delete"),
        ("POST", "/api/2.0/mlflow/registered-models/alias"),
        ("PUT", "/api/2.0/mlflow-artifacts/artifacts/1/r/artifacts/x"),
        ("POST", "/api/2.0/mlflow/users/create"),
        ("POST", "/graphql/search"),
        ("POST", "/api/2.0/mlflow/experiments/create/search"),
    ],
)
def test_reader_may_not_ask_for_what_writes(method: str, path: str) -> None:
    assert not may_ask(READS, method, path)


@pytest.mark.parametrize(
    ("path", "of_a_task", "of_all"),
    [
        ("/api/2.0/mlflow/runs/log-batch", True, True),
        ("/api/2.0/mlflow-artifacts/artifacts/1/r/artifacts/x", True, True),
        ("/api/2.0/mlflow/experiments/create", False, True),
        ("/api/2.0/mlflow/registered-models/create", False, True),
        ("/api/2.0/mlflow/users/create", False, False),
        ("/api/2.0/mlflow/webhooks", False, False),
        ("/api/3.0/mlflow/gateway/secrets/create", False, False),
        ("/gateway/x/mlflow/invocations", False, False),
        ("/ajax-api/3.0/jobs/search", False, False),
        ("//api/2.0/mlflow/runs/log-batch", False, False),
    ],
)
def test_writer_writes_models_and_makes_new_ones_only_with_every_task(path: str, of_a_task: bool, of_all: bool) -> None:
    assert may_ask(WRITES, "POST", path) == of_a_task
    assert may_ask(WRITES._replace(tasks=frozenset({"*"})), "POST", path) == of_all


def test_experiment_of_another_name_or_without_a_task_belongs_to_nobody() -> None:
    task_id = "0123abcd" * 4

    assert owner("census-0123abcd", task_id) == "census"
    assert owner("census-0123abcd", "") == ""
    assert owner("census-0123abcf", task_id) == ""
    assert owner("census", task_id) == ""
