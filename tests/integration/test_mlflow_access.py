"""Who comes in at the real MLflow, and how far: nobody without a token, and each only as far as it says."""

from __future__ import annotations

import base64
import urllib.error
import urllib.request
from pathlib import Path
from uuid import uuid4

import msgspec
import pytest

from dissonance.adapters.clock import SystemClock
from dissonance.adapters.embedded.addresses import EngineAddresses
from dissonance.adapters.mlflow import credentials
from dissonance.adapters.mlflow.registry import MlflowRegistry
from dissonance.ports.registry import ModelRole
from dissonance.security.service_tokens import ServiceToken
from dissonance.security.tls import client_context
from support.access import LocalAccess
from support.engines import issuer_of

API = "/api/2.0/mlflow"


class Caller:
    """Sends requests as somebody; `status` and `ask` are what comes back."""

    def __init__(self, engines: EngineAddresses, folder: Path) -> None:
        assert engines.tls is not None
        self._url = engines.mlflow_url
        self._context = client_context(engines.tls)
        self._issuer = issuer_of(folder)

    def token(self, grant: str, task: str = "*") -> str:
        return self._issuer.issue(grant, subject="ada", tasks=[task], lifetime_s=60.0)

    def ask(self, authorization: str, method: str, path: str, body: object = None) -> tuple[int, bytes]:
        headers = {"Content-Type": "application/json"} | ({"Authorization": authorization} if authorization else {})
        data = None if body is None else msgspec.json.encode(body)
        request = urllib.request.Request(f"{self._url}{path}", data, headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=60, context=self._context) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read()

    def status(self, authorization: str, method: str, path: str, body: object = None) -> int:
        return self.ask(authorization, method, path, body)[0]


class Model:
    """A task with one registered version."""

    def __init__(self, engines: EngineAddresses, folder: Path) -> None:
        self.task_id = uuid4().hex
        self.task = f"task-{self.task_id[:12]}"
        self.name = f"{self.task}.proposer"
        token = ServiceToken(issuer_of(folder), SystemClock(), subject="registrar", grant="registrar")
        assert engines.tls is not None
        url, tls, clock = engines.mlflow_url, client_context(engines.tls), SystemClock()
        self.registry = MlflowRegistry(url, credentials.bearer(token), tls, clock=clock)
        self.by_password = MlflowRegistry(url, credentials.basic("roles", token()), tls, clock=clock)
        self.registry.register(
            self.task_id,
            self.task,
            ModelRole.PROPOSER,
            b"sealed",
            "d" * 64,
            metrics={"accuracy": 0.9},
            parameters={},
            parent=None,
        )


@pytest.fixture(scope="module")
def caller(all_engines: EngineAddresses, all_engines_folder: Path) -> Caller:
    return Caller(all_engines, all_engines_folder)


@pytest.fixture(scope="module")
def models(all_engines: EngineAddresses, all_engines_folder: Path) -> tuple[Model, Model]:
    return Model(all_engines, all_engines_folder), Model(all_engines, all_engines_folder)


def bearer(token: str) -> str:
    return f"Bearer {token}"


def basic(name: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{name}:{password}".encode()).decode()


EVERYWHERE = (
    ("GET", "/"),
    ("GET", "/version"),
    ("GET", f"{API}/experiments/search?max_results=1"),
    ("POST", f"{API}/runs/search"),
    ("GET", "/api/2.0/mlflow-artifacts/artifacts?path=1"),
    ("GET", "/api/2.0/mlflow-artifacts/artifacts/1/run/artifacts/artefact.bin"),
    ("PUT", "/api/2.0/mlflow-artifacts/artifacts/1/run/artifacts/artefact.bin"),
    ("POST", "/graphql"),
    ("GET", f"{API}/users/current"),
    ("POST", f"{API}/users/create"),
    ("GET", "/signup"),
    ("POST", "/ajax-api/3.0/jobs/search"),
    ("POST", "/v1/traces"),
    ("GET", "/gateway/x/mlflow/invocations"),
)


@pytest.mark.parametrize(
    "shown",
    ["", "Bearer", "Bearer x.y.z", basic("admin", "password1234"), basic("admin", "password"), basic("nobody", "")],
    ids=["nothing", "empty", "malformed", "old default", "another default", "the administrator that must be named"],
)
def test_nobody_without_a_token_is_told_anything(caller: Caller, shown: str) -> None:
    answers = {(method, path): caller.status(shown, method, path, {}) for method, path in EVERYWHERE}

    assert {key: status for key, status in answers.items() if status not in (401, 403)} == {}
    assert answers["GET", f"{API}/experiments/search?max_results=1"] == 401


def test_token_of_another_issuer_is_refused(caller: Caller) -> None:
    forged = LocalAccess(seed=2).token("admin")

    assert caller.status(bearer(forged), "GET", f"{API}/experiments/search?max_results=1") == 401


def test_browser_shows_its_token_as_a_password(caller: Caller) -> None:
    shown = basic("whoever", caller.token("viewer"))

    assert caller.status(shown, "GET", "/") == 200
    assert caller.status(shown, "GET", "/ajax-api/2.0/mlflow/users/current") == 200


def test_roles_come_in_by_name_and_password_where_that_is_asked_for(models: tuple[Model, Model]) -> None:
    mine, _ = models

    assert mine.by_password.artefact(mine.task_id, ModelRole.PROPOSER, 1) == b"sealed"


def test_viewer_sees_models_and_cannot_delete_a_version_or_move_an_alias(
    caller: Caller, models: tuple[Model, Model]
) -> None:
    mine, _ = models
    viewer = bearer(caller.token("viewer"))

    code, body = caller.ask(viewer, "GET", f"{API}/registered-models/get?name={mine.name}")
    assert (code, msgspec.json.decode(body)["registered_model"]["name"]) == (200, mine.name)
    version = {"name": mine.name, "version": "1"}
    assert caller.status(viewer, "DELETE", f"{API}/model-versions/delete", version) == 403
    assert caller.status(viewer, "POST", f"{API}/registered-models/alias", version | {"alias": "production"}) == 403
    assert caller.status(viewer, "POST", f"{API}/experiments/create", {"name": "mine"}) == 403
    assert len(mine.registry.versions(mine.task_id, ModelRole.PROPOSER)) == 1


@pytest.mark.parametrize("grant", ["client", "labeller"])
def test_grant_without_models_sees_none(caller: Caller, models: tuple[Model, Model], grant: str) -> None:
    path = f"{API}/registered-models/get?name={models[0].name}"

    assert caller.status(bearer(caller.token(grant)), "GET", path) == 403


def test_token_of_one_task_reaches_that_tasks_models_runs_and_files_only(
    caller: Caller, models: tuple[Model, Model]
) -> None:
    mine, theirs = models
    writer = bearer(caller.token("registrar", mine.task))

    seen = msgspec.json.decode(caller.ask(writer, "GET", f"{API}/registered-models/search")[1])
    assert [each["name"] for each in seen["registered_models"]] == [mine.name]
    answer = caller.ask(writer, "POST", f"{API}/experiments/search", {"max_results": 1000})
    experiments = msgspec.json.decode(answer[1])["experiments"]
    assert [each["name"] for each in experiments] == [f"{mine.task}-{mine.task_id[:8]}"]

    for model, expected in ((mine, 200), (theirs, 403)):
        version = f"name={model.name}&version=1"
        run = msgspec.json.decode(
            caller.ask(bearer(caller.token("admin")), "GET", f"{API}/model-versions/get?{version}")[1]
        )["model_version"]
        uri = f"/api/2.0/mlflow-artifacts/artifacts/{run['source'].partition(':/')[2].lstrip('/')}"
        tag = {"name": model.name, "key": "note", "value": "x"}
        assert caller.status(writer, "GET", f"{API}/model-versions/get?{version}") == expected
        assert caller.status(writer, "GET", f"{API}/runs/get?run_id={run['run_id']}") == expected
        assert caller.status(writer, "GET", uri) == expected
        assert caller.status(writer, "POST", f"{API}/registered-models/set-tag", tag) == expected


def test_nobody_makes_users_or_roles_in_mlflow(caller: Caller) -> None:
    user = {"username": "eve", "password": "long enough a password"}

    assert caller.status(bearer(caller.token("registrar")), "POST", f"{API}/users/create", user) == 403
    assert caller.status(bearer(caller.token("admin")), "POST", f"{API}/users/create", user) == 403
    assert caller.status(basic(**{"name": "eve", "password": user["password"]}), "GET", "/version") == 401
