"""`ports.registry.Registry` on an MLflow server.

A task has two registered models, `<task name>.proposer` and `<task name>.critic`, found by their tag `task_id`, and
one experiment. A training is one run with its parameters, metrics and the sealed artefact; a version points at its
run; the aliases `production`, `canary` and `candidate` say what a version is.
"""

from __future__ import annotations

import math
import ssl
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import msgspec

from dissonance.adapters.mlflow.artefacts import Artefacts
from dissonance.adapters.mlflow.credentials import Authorization
from dissonance.adapters.mlflow.failures import Refused, translated
from dissonance.adapters.mlflow.wire import Wire
from dissonance.adapters.retrying import repeated
from dissonance.errors import ModelNotFound, TaskExists
from dissonance.ports.clock import Clock
from dissonance.ports.registry import ARTEFACT_FILE, NO_DOCUMENTS, Alias, Day, ModelRole, ModelVersion

PRODUCTION = "production"
DAY, REVISION = "live_day", "live_revision"
"""Tags of the run of a day."""

NO_SUCH_ALIAS = "INVALID_PARAMETER_VALUE"
MODELS, VERSIONS, ALIAS = "/registered-models", "/model-versions", "/registered-models/alias"
EXPERIMENTS, RUNS = "/experiments", "/runs"


class MlflowRegistry:
    """Blocking; may be shared between threads. `url`, `tls` as `wire.Wire` takes them; `authorization`: who we are
    there, where it wants to know."""

    def __init__(
        self, url: str, authorization: Authorization | None, tls: ssl.SSLContext | None, *, clock: Clock
    ) -> None:
        self._wire = Wire(url, authorization, tls)
        self._artefacts = Artefacts(self._wire)
        self._clock = clock
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
            made = self._wire.send(f"{VERSIONS}/create", name=name, source=source, run_id=run_id, tags=_pairs(tags))
        return _version(made["model_version"], {})

    def promote(self, version: ModelVersion) -> None:
        with translated("promote a model"):
            name = self._name(version.task_id, version.role)
            self._wire.send(ALIAS, name=name, alias=PRODUCTION, version=str(version.version))
            if version.alias is not None:
                self._take_off(name, self._aliases(name), version.version, tuple(Alias))

    @repeated
    def mark(self, task_id: str, role: ModelRole, alias: Alias, version: int | None) -> None:
        with translated("mark a model"):
            name, aliases = self._model(task_id, role)
            if version is None:
                if alias in aliases:
                    self._wire.send(ALIAS, "DELETE", name=name, alias=alias.value)
                return
            self._wire.send(ALIAS, name=name, alias=alias.value, version=str(version))
            self._take_off(name, aliases, version, tuple(each for each in Alias if each is not alias))

    @repeated
    def production(self, task_id: str, role: ModelRole) -> ModelVersion:
        with translated("find the model in production"):
            name = self._name(task_id, role)
            try:
                version = self._wire.get(ALIAS, name=name, alias=PRODUCTION)["model_version"]
            except Refused as error:
                if error.code != NO_SUCH_ALIAS:
                    raise
                raise ModelNotFound(
                    f"no {role} is in production",
                    where="registry",
                    fix="promote one: dissonance models promote",
                ) from error
            return self._read_with_its_aliases(version)

    @repeated
    def version(self, task_id: str, role: ModelRole, number: int) -> ModelVersion:
        with translated("find a model"):
            return self._read_with_its_aliases(self._get_version(task_id, role, number))

    @repeated
    def versions(self, task_id: str, role: ModelRole) -> list[ModelVersion]:
        with translated("list models"), ThreadPoolExecutor(max_workers=1) as meanwhile:
            name = self._name(task_id, role)
            reading = meanwhile.submit(self._aliases, name)
            listed = list(self._wire.found(f"{VERSIONS}/search", "model_versions", filter=f"name = '{name}'"))
            aliases = reading.result()
            found = [self._read(version, aliases) for version in listed]
        return sorted(found, key=lambda version: version.version, reverse=True)

    @repeated
    def artefact(self, task_id: str, role: ModelRole, version: int) -> bytes:
        with translated("fetch a model"):
            folder, _, file = self._source(task_id, role, version).rpartition("/")
            return self._artefacts.get(folder, file)

    @repeated
    def parameters(self, task_id: str, role: ModelRole, version: int) -> dict[str, str]:
        with translated("read what a model was made with"):
            run = self._wire.get(f"{RUNS}/get", run_id=self._get_version(task_id, role, version)["run_id"])["run"]
            return _mapping(run["data"].get("params", ()))

    @repeated
    def record_day(self, task_id: str, day: Day) -> None:
        """Metrics of a higher step are the ones MLflow shows: the step is the revision."""
        with translated("record a day"):
            experiment = self._experiment(task_id)
            if experiment is None:
                raise ModelNotFound("this task has no models", where="registry", fix="create the task")
            # Two replicas may have begun a day at the same moment: the one that was first is the day's.
            same_day = f"tags.{DAY} = '{day.date}'"
            runs = list(self._runs(experiment, filter=same_day, order_by=["attributes.start_time ASC"]))
            tags = {"task_id": task_id, DAY: day.date, REVISION: str(day.revision)}
            run = runs[0] if runs else self._create_run(experiment, f"live {day.date}", tags)
            run_id, known = run["info"]["run_id"], _mapping(run["data"]["tags"])
            revision = str(max(day.revision, int(known[REVISION])))
            self._log(run_id, int(run["info"]["start_time"]), day.metrics, {REVISION: revision}, step=day.revision)
            if not runs:
                self._finish_run(run_id)

    @repeated
    def days(self, task_id: str) -> list[Day]:
        with translated("list days"):
            experiment = self._experiment(task_id)
            runs = [] if experiment is None else list(self._runs(experiment))
            found: dict[str, Day] = {}
            for run in sorted(runs, key=lambda run: -int(run["info"]["start_time"])):
                tags = _mapping(run["data"].get("tags", ()))
                if DAY in tags:
                    metrics = {each["key"]: float(each["value"]) for each in run["data"].get("metrics", ())}
                    found[tags[DAY]] = Day(tags[DAY], int(tags[REVISION]), metrics)
        return sorted(found.values(), key=lambda day: day.date, reverse=True)

    @repeated
    def delete_task(self, task_id: str) -> None:
        """Also the artefacts themselves, which MLflow would keep. Nothing to delete is no error."""
        with translated("delete a task's models"):
            for model in list(self._models(f"tags.task_id = '{task_id}'")):
                self._wire.send(f"{MODELS}/delete", "DELETE", name=model["name"])
            experiment = self._experiment(task_id)
            if experiment is not None:
                for run in self._runs(experiment):
                    self._artefacts.delete(run["info"]["artifact_uri"])
                self._wire.send(f"{EXPERIMENTS}/delete", experiment_id=experiment)
        for role in ModelRole:
            self._names.pop((task_id, role), None)
        self._sources = {key: source for key, source in self._sources.items() if key[0] != task_id}

    def ready(self) -> None:
        with translated("answer"):
            self._wire.send(f"{EXPERIMENTS}/search", max_results=1)

    def _obtain_model(self, task_id: str, task_name: str, role: ModelRole) -> str:
        found = next(self._models(_of(task_id, role)), None)
        if found is not None:
            return str(found["name"])
        name = f"{task_name}.{role.value}"
        if next(self._models(f"name = '{name}'"), None) is not None:
            raise TaskExists(
                f"the registry has a model '{name}' of another task",
                where="registry",
                fix="use another name, or delete that registered model in MLflow if its task is gone",
            )
        self._wire.send(f"{MODELS}/create", name=name, tags=_pairs({"task_id": task_id, "role": role.value}))
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
        experiment = self._obtain_experiment(task_id, task_name)
        info = self._create_run(experiment, role.value, {"task_id": task_id})["info"]
        run_id, folder = info["run_id"], info["artifact_uri"]
        self._log(run_id, int(info["start_time"]), metrics, {"role": role.value}, parameters=parameters)
        self._artefacts.put(folder, files)
        self._finish_run(run_id)
        return run_id, f"{folder}/{ARTEFACT_FILE}"

    def _create_run(self, experiment: str, name: str, tags: Mapping[str, str]) -> Any:
        return self._wire.send(
            f"{RUNS}/create", experiment_id=experiment, run_name=name, start_time=self._now_ms(), tags=_pairs(tags)
        )["run"]

    def _log(
        self,
        run_id: str,
        at_ms: int,
        metrics: Mapping[str, float],
        tags: Mapping[str, str],
        *,
        parameters: Mapping[str, str] | None = None,
        step: int = 0,
    ) -> None:
        measured = [
            {"key": name, "value": _number(value), "timestamp": at_ms, "step": step} for name, value in metrics.items()
        ]
        self._wire.send(
            f"{RUNS}/log-batch", run_id=run_id, metrics=measured, tags=_pairs(tags), params=_pairs(parameters or {})
        )

    def _finish_run(self, run_id: str) -> None:
        self._wire.send(f"{RUNS}/update", run_id=run_id, status="FINISHED", end_time=self._now_ms())

    def _now_ms(self) -> int:
        return self._clock.now_us() // 1000

    def _obtain_experiment(self, task_id: str, task_name: str) -> str:
        found = self._experiment(task_id)
        if found is not None:
            return found
        # The id is part of the name, since MLflow never frees the name of a deleted experiment.
        name, tags = f"{task_name}-{task_id[:8]}", _pairs({"task_id": task_id})
        return str(self._wire.send(f"{EXPERIMENTS}/create", name=name, tags=tags)["experiment_id"])

    def _experiment(self, task_id: str) -> str | None:
        asked = f"tags.task_id = '{task_id}'"
        found = next(self._wire.pages(f"{EXPERIMENTS}/search", "experiments", filter=asked), None)
        return None if found is None else str(found["experiment_id"])

    def _take_off(self, name: str, aliases: Mapping[str, int], version: int, taken: Sequence[Alias]) -> None:
        """`aliases` as they were read a moment ago."""
        for alias in taken:
            if aliases.get(alias.value) == version:
                self._wire.send(ALIAS, "DELETE", name=name, alias=alias.value)

    def _read_with_its_aliases(self, version: Any) -> ModelVersion:
        return self._read(version, dict.fromkeys(version.get("aliases", ()), int(version["version"])))

    def _read(self, version: Any, aliases: Mapping[str, int]) -> ModelVersion:
        """Where its artefact is never changes, so that it need not be asked for again."""
        read = _version(version, aliases)
        self._sources[read.task_id, read.role, read.version] = str(version["source"])
        return read

    def _source(self, task_id: str, role: ModelRole, version: int) -> str:
        known = self._sources.get((task_id, role, version))
        return str(self._get_version(task_id, role, version)["source"]) if known is None else known

    def _get_version(self, task_id: str, role: ModelRole, version: int) -> Any:
        name = self._name(task_id, role)
        return self._wire.get(f"{VERSIONS}/get", name=name, version=str(version))["model_version"]

    def _name(self, task_id: str, role: ModelRole) -> str:
        name = self._names.get((task_id, role))
        return self._model(task_id, role)[0] if name is None else name

    def _model(self, task_id: str, role: ModelRole) -> tuple[str, dict[str, int]]:
        """Its name, and its aliases with their versions."""
        name = self._names.get((task_id, role))
        if name is not None:
            return name, self._aliases(name)
        found = next(self._models(_of(task_id, role)), None)
        if found is None:
            raise ModelNotFound(
                f"there is no {role} of this task", where="registry", fix="create the task: dissonance task create"
            )
        self._names[task_id, role] = name = str(found["name"])
        return name, _aliases_of(found)

    def _aliases(self, name: str) -> dict[str, int]:
        return _aliases_of(self._wire.get(f"{MODELS}/get", name=name)["registered_model"])

    def _models(self, asked: str) -> Iterator[Any]:
        return self._wire.found(f"{MODELS}/search", "registered_models", filter=asked)

    def _runs(self, experiment: str, **asked: Any) -> Iterator[Any]:
        return self._wire.pages(f"{RUNS}/search", "runs", experiment_ids=[experiment], **asked)


def _of(task_id: str, role: ModelRole) -> str:
    return f"tags.task_id = '{task_id}' AND tags.role = '{role.value}'"


def _pairs(values: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"key": key, "value": value} for key, value in values.items()]


def _mapping(pairs: Sequence[Mapping[str, str]]) -> dict[str, str]:
    return {pair["key"]: pair.get("value", "") for pair in pairs}


def _number(value: float) -> float | str:
    """As JSON of protocol buffers has it: what is no number is a word."""
    return value if math.isfinite(value) else str(value).replace("nan", "NaN").replace("inf", "Infinity")


def _aliases_of(model: Any) -> dict[str, int]:
    return {each["alias"]: int(each["version"]) for each in model.get("aliases", ())}


def _version(version: Any, aliases: Mapping[str, int]) -> ModelVersion:
    tags, number = _mapping(version["tags"]), int(version["version"])
    serves = aliases.get(PRODUCTION) == number
    return ModelVersion(
        task_id=tags["task_id"],
        role=ModelRole(tags["role"]),
        version=number,
        digest=tags["digest"],
        created_at_us=int(version["creation_timestamp"]) * 1000,
        metrics=msgspec.json.decode(tags["metrics"], type=dict[str, float]),
        parent=int(tags["parent"]) if tags["parent"] else None,
        in_production=serves,
        # Another alias may have been set in the moment in which it went into production.
        alias=next((alias for alias in Alias if aliases.get(alias.value) == number and not serves), None),
    )
