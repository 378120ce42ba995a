"""`ports.registry.Registry` on an MLflow server.

A task has two registered models, `<task name>.proposer` and `<task name>.critic`, found by their tag `task_id`, and
one experiment. A training is one run with its parameters, metrics and the sealed artefact; a version points at its
run; the aliases `production`, `canary` and `candidate` say what a version is.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
from mlflow import MlflowClient
from mlflow import environment_variables as variables
from mlflow.entities import Metric, Param, RunTag
from mlflow.entities.model_registry import ModelVersion as MlflowVersion
from mlflow.entities.model_registry import RegisteredModel
from mlflow.exceptions import RestException
from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

from dissonance.adapters.mlflow.credentials import Token, show_tokens_to
from dissonance.adapters.mlflow.failures import translated
from dissonance.adapters.retrying import repeated
from dissonance.errors import ModelNotFound, TaskExists
from dissonance.ports.registry import NO_DOCUMENTS, Alias, Day, ModelRole, ModelVersion
from dissonance.security.tls import Tls

PRODUCTION = "production"
ARTEFACT_FILE = "artefact.bin"
DAY, REVISION = "live_day", "live_revision"
"""Tags of the run of a day."""

NO_SUCH_ALIAS = "INVALID_PARAMETER_VALUE"
PAGE = 1000

TIMEOUT_S = 10
"""Seconds until a request that gets no answer is given up."""

RETRIES = 0
"""What may be repeated is, by `adapters.retrying`; MLflow's own 7 retries would hold a caller for minutes."""

CLIENT_SETTINGS = (
    (variables.MLFLOW_HTTP_REQUEST_TIMEOUT, TIMEOUT_S),
    (variables.MLFLOW_HTTP_REQUEST_MAX_RETRIES, RETRIES),
    (variables.MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR, False),
    (variables.MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT, True),
)


class MlflowRegistry:
    """Blocking; may be shared between threads. `url`: `https://host:port`, with `tls`, or `http://…`. `token`: of who
    asks, where the server takes our tokens; without, MLflow's own variables say who asks.

    MLflow's client takes its limits and its certificates from the environment of the process only, so they are set
    there, for all. It can show a certificate only when that is in one file with its key.
    """

    def __init__(self, url: str, token: Token | None = None, tls: Tls | None = None) -> None:
        if token is not None:
            show_tokens_to(url, token)
        for variable, value in (*CLIENT_SETTINGS, *_certificates(tls)):
            variable.set(value)
        self._url = url
        self._client = MlflowClient(tracking_uri=url, registry_uri=url)
        self._names: dict[tuple[str, ModelRole], str] = {}
        self._sources: dict[tuple[str, ModelRole, int], str] = {}

    def register(
        self,
        task_id: str,
        task_name: str,
        role: ModelRole,
        artefact: bytes,
        digest: str,
        *,
        metrics: dict[str, float],
        parameters: dict[str, str],
        parent: int | None,
        documents: Mapping[str, bytes] = NO_DOCUMENTS,
    ) -> ModelVersion:
        """Raises `TaskExists` when another task's models have the name."""
        with translated("register a model"):
            name = self._obtain_model(task_id, task_name, role)
            files = {**documents, ARTEFACT_FILE: artefact}
            run_id, source = self._record_run(task_id, task_name, role, files, metrics, parameters)
            tags = {
                "task_id": task_id,
                "role": role.value,
                "digest": digest,
                "metrics": msgspec.json.encode(metrics).decode(),
                "parent": "" if parent is None else str(parent),
            }
            version = self._client.create_model_version(
                name, source=source, run_id=run_id, tags=tags, await_creation_for=0
            )
        return _version(version, {})

    def promote(self, task_id: str, role: ModelRole, version: int) -> int | None:
        with translated("promote a model"):
            model = self._model(task_id, role)
            self._client.set_registered_model_alias(model.name, PRODUCTION, str(version))
            self._take_off(model, version, tuple(Alias))
        return _aliased(model)

    @repeated
    def mark(self, task_id: str, role: ModelRole, alias: Alias, version: int | None) -> None:
        with translated("mark a model"):
            model = self._model(task_id, role)
            if version is None:
                if alias in model.aliases:
                    self._client.delete_registered_model_alias(model.name, alias.value)
                return
            self._client.set_registered_model_alias(model.name, alias.value, str(version))
            self._take_off(model, version, tuple(each for each in Alias if each is not alias))

    @repeated
    def production(self, task_id: str, role: ModelRole) -> ModelVersion:
        with translated("find the model in production"):
            name = self._name(task_id, role)
            try:
                version = self._client.get_model_version_by_alias(name, PRODUCTION)
            except RestException as error:
                if error.error_code != NO_SUCH_ALIAS:
                    raise
                raise ModelNotFound(
                    f"no {role} is in production",
                    where="registry",
                    fix="promote one: dissonance models promote",
                ) from error
            return self._read(version, dict.fromkeys(version.aliases, str(version.version)))

    @repeated
    def versions(self, task_id: str, role: ModelRole) -> list[ModelVersion]:
        with translated("list models"):
            model = self._model(task_id, role)
            found = [self._read(version, model.aliases) for version in self._all_versions(model.name)]
        return sorted(found, key=lambda version: version.version, reverse=True)

    @repeated
    def artefact(self, task_id: str, role: ModelRole, version: int) -> bytes:
        with translated("fetch a model"), tempfile.TemporaryDirectory() as folder:
            source = self._source(task_id, role, version)
            files = get_artifact_repository(source.removesuffix(f"/{ARTEFACT_FILE}"), tracking_uri=self._url)
            file = files.download_artifacts(ARTEFACT_FILE, folder)  # type: ignore[no-untyped-call]  # MLflow leaves it so
            return Path(str(file)).read_bytes()

    @repeated
    def parameters(self, task_id: str, role: ModelRole, version: int) -> dict[str, str]:
        with translated("read what a model was made with"):
            run_id = self._client.get_model_version(self._name(task_id, role), str(version)).run_id
            return dict(self._client.get_run(str(run_id)).data.params)

    @repeated
    def record_day(self, task_id: str, day: Day) -> None:
        """Metrics of a higher step are the ones MLflow shows: the step is the revision."""
        with translated("record a day"):
            experiment = self._experiment(task_id)
            if experiment is None:
                raise ModelNotFound("this task has no models", where="registry", fix="create the task")
            # Two replicas may have begun a day at the same moment: the one that was first is the day's.
            found = self._client.search_runs(
                [experiment], f"tags.{DAY} = '{day.date}'", order_by=["attributes.start_time ASC"], max_results=1
            )
            tags = {"task_id": task_id, DAY: day.date, REVISION: str(day.revision)}
            run = found[0] if found else self._client.create_run(experiment, run_name=f"live {day.date}", tags=tags)
            started_ms = run.info.start_time
            self._client.log_batch(
                run.info.run_id,
                metrics=[Metric(name, value, started_ms, day.revision) for name, value in day.metrics.items()],
                tags=[RunTag(REVISION, str(max(day.revision, int(run.data.tags[REVISION]))))],
            )
            if not found:
                self._client.set_terminated(run.info.run_id)

    @repeated
    def days(self, task_id: str) -> list[Day]:
        with translated("list days"):
            experiment = self._experiment(task_id)
            runs = [] if experiment is None else self._all_runs(experiment)
            found: dict[str, Day] = {}
            for run in sorted(runs, key=lambda run: -int(run.info.start_time)):
                tags = run.data.tags
                if DAY in tags:
                    found[tags[DAY]] = Day(tags[DAY], int(tags[REVISION]), dict(run.data.metrics))
        return sorted(found.values(), key=lambda day: day.date, reverse=True)

    @repeated
    def delete_task(self, task_id: str) -> None:
        """Also the artefacts themselves, which MLflow would keep. Nothing to delete is no error."""
        with translated("delete a task's models"):
            for model in self._client.search_registered_models(filter_string=f"tags.task_id = '{task_id}'"):
                self._client.delete_registered_model(model.name)
            for experiment in self._client.search_experiments(filter_string=f"tags.task_id = '{task_id}'"):
                for run in self._all_runs(experiment.experiment_id):
                    repository = get_artifact_repository(run.info.artifact_uri, tracking_uri=self._url)
                    for file in repository.list_artifacts(None):
                        repository.delete_artifacts(file.path)  # type: ignore[no-untyped-call]  # MLflow leaves it so
                self._client.delete_experiment(experiment.experiment_id)
        for role in ModelRole:
            self._names.pop((task_id, role), None)
        self._sources = {key: source for key, source in self._sources.items() if key[0] != task_id}

    def ready(self) -> None:
        with translated("answer"):
            self._client.search_experiments(max_results=1)

    def _obtain_model(self, task_id: str, task_name: str, role: ModelRole) -> str:
        found = self._client.search_registered_models(
            filter_string=f"tags.task_id = '{task_id}' AND tags.role = '{role.value}'"
        )
        if found:
            return str(found[0].name)
        name = f"{task_name}.{role.value}"
        if self._client.search_registered_models(filter_string=f"name = '{name}'"):
            raise TaskExists(
                f"the registry has a model '{name}' of another task",
                where="registry",
                fix="use another name, or delete that registered model in MLflow if its task is gone",
            )
        self._client.create_registered_model(name, tags={"task_id": task_id, "role": role.value})
        return name

    def _record_run(
        self,
        task_id: str,
        task_name: str,
        role: ModelRole,
        files: Mapping[str, bytes],
        metrics: dict[str, float],
        parameters: dict[str, str],
    ) -> tuple[str, str]:
        """Id of the run and address of the artefact."""
        run = self._client.create_run(
            self._obtain_experiment(task_id, task_name), run_name=role.value, tags={"task_id": task_id}
        )
        run_id, started_ms = run.info.run_id, run.info.start_time
        self._client.log_batch(
            run_id,
            metrics=[Metric(name, value, started_ms, 0) for name, value in metrics.items()],
            params=[Param(name, value) for name, value in parameters.items()],
            tags=[RunTag("role", role.value)],
        )
        with tempfile.TemporaryDirectory() as folder:
            for name, content in files.items():
                (Path(folder) / name).write_bytes(content)
            self._client.log_artifacts(run_id, folder)
        self._client.set_terminated(run_id)
        return run_id, f"{run.info.artifact_uri}/{ARTEFACT_FILE}"

    def _obtain_experiment(self, task_id: str, task_name: str) -> str:
        found = self._experiment(task_id)
        if found is not None:
            return found
        # The id is part of the name, since MLflow never frees the name of a deleted experiment.
        return str(self._client.create_experiment(f"{task_name}-{task_id[:8]}", tags={"task_id": task_id}))

    def _experiment(self, task_id: str) -> str | None:
        found = self._client.search_experiments(filter_string=f"tags.task_id = '{task_id}'")
        return str(found[0].experiment_id) if found else None

    def _take_off(self, model: RegisteredModel, version: int, aliases: Sequence[Alias]) -> None:
        """`model` as it was read before."""
        for alias in aliases:
            if model.aliases.get(alias.value) == str(version):
                self._client.delete_registered_model_alias(model.name, alias.value)

    def _read(self, version: MlflowVersion, aliases: Mapping[str, str]) -> ModelVersion:
        """Where its artefact is never changes, so that it need not be asked for again."""
        read = _version(version, aliases)
        self._sources[read.task_id, read.role, read.version] = str(version.source)
        return read

    def _source(self, task_id: str, role: ModelRole, version: int) -> str:
        known = self._sources.get((task_id, role, version))
        if known is not None:
            return known
        return str(self._client.get_model_version(self._name(task_id, role), str(version)).source)

    def _name(self, task_id: str, role: ModelRole) -> str:
        name = self._names.get((task_id, role))
        return str(self._model(task_id, role).name) if name is None else name

    def _model(self, task_id: str, role: ModelRole) -> RegisteredModel:
        name = self._names.get((task_id, role))
        if name is not None:
            return self._client.get_registered_model(name)
        found = self._client.search_registered_models(
            filter_string=f"tags.task_id = '{task_id}' AND tags.role = '{role.value}'"
        )
        if not found:
            raise ModelNotFound(
                f"there is no {role} of this task", where="registry", fix="create the task: dissonance task create"
            )
        self._names[task_id, role] = found[0].name
        return found[0]

    def _all_versions(self, name: str) -> list[MlflowVersion]:
        return _pages(
            lambda token: self._client.search_model_versions(f"name = '{name}'", max_results=PAGE, page_token=token)
        )

    def _all_runs(self, experiment_id: str) -> list[Any]:
        return _pages(lambda token: self._client.search_runs([experiment_id], max_results=PAGE, page_token=token))


def _certificates(tls: Tls | None) -> list[tuple[Any, str]]:
    if tls is None:
        return []
    trusted = (variables.MLFLOW_TRACKING_SERVER_CERT_PATH, tls.authority)
    if tls.client.certificate != tls.client.key:
        return [trusted]
    return [trusted, (variables.MLFLOW_TRACKING_CLIENT_CERT_PATH, tls.client.certificate)]


def _pages(page: Any) -> list[Any]:
    found: list[Any] = []
    token = None
    while True:
        answer = page(token)
        found.extend(answer)
        token = answer.token
        if not token:
            return found


def _aliased(model: RegisteredModel) -> int | None:
    version = model.aliases.get(PRODUCTION)
    return None if version is None else int(version)


def _version(version: MlflowVersion, aliases: Mapping[str, str]) -> ModelVersion:
    tags: dict[str, str] = version.tags
    number = str(version.version)
    return ModelVersion(
        task_id=tags["task_id"],
        role=ModelRole(tags["role"]),
        version=int(version.version),
        digest=tags["digest"],
        created_at_us=int(version.creation_timestamp) * 1000,
        metrics=msgspec.json.decode(tags["metrics"], type=dict[str, float]),
        parent=int(tags["parent"]) if tags["parent"] else None,
        in_production=aliases.get(PRODUCTION) == number,
        alias=next((alias for alias in Alias if aliases.get(alias.value) == number), None),
    )
