"""The registry in memory, for unit tests; holds to the same contract suite as MLflow."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from threading import RLock
from typing import TypeVar

import msgspec

from dissonance.errors import EngineUnavailable, ModelNotFound, TaskExists
from dissonance.ports.clock import Clock
from dissonance.ports.registry import NO_DOCUMENTS, Alias, Day, ModelRole, ModelVersion

Item = TypeVar("Item")


class _Model(msgspec.Struct):
    name: str
    versions: list[ModelVersion]
    artefacts: list[bytes]
    documents: list[dict[str, bytes]]
    parameters: list[dict[str, str]]
    aliases: dict[Alias, int]
    production: int | None = None


class MemoryRegistry:
    """Forgets everything with the process. `available = False` makes every call raise `EngineUnavailable`."""

    is_double = True

    def __init__(self, clock: Clock) -> None:
        self.available = True
        self._clock = clock
        self._models: dict[tuple[str, ModelRole], _Model] = {}
        self._days: dict[str, dict[str, Day]] = {}
        self._lock = RLock()

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
        with self._lock:
            self.ready()
            name = f"{task_name}.{role.value}"
            if (task_id, role) not in self._models and name in self._names():
                raise TaskExists(
                    f"the registry has a model '{name}' of another task", where="registry", fix="use another name"
                )
            model = self._models.setdefault((task_id, role), _Model(name, [], [], [], [], {}))
            version = ModelVersion(
                task_id, role, len(model.versions) + 1, digest, self._clock.now_us(), dict(metrics), parent
            )
            model.versions.append(version)
            model.artefacts.append(artefact)
            model.documents.append(dict(documents))
            model.parameters.append(dict(parameters))
            return version

    def promote(self, version: ModelVersion) -> None:
        with self._lock:
            model = self._model(version.task_id, version.role)
            _at(model.versions, version.version)
            model.production = version.version
            if version.alias is not None and model.aliases.get(version.alias) == version.version:
                del model.aliases[version.alias]

    def mark(self, task_id: str, role: ModelRole, alias: Alias, version: int | None) -> None:
        with self._lock:
            model = self._model(task_id, role)
            if version is None:
                model.aliases.pop(alias, None)
                return
            _at(model.versions, version)
            others = {each: other for each, other in model.aliases.items() if other != version}
            model.aliases = others | {alias: version}

    def production(self, task_id: str, role: ModelRole) -> ModelVersion:
        with self._lock:
            for version in self.versions(task_id, role):
                if version.in_production:
                    return version
        raise ModelNotFound(f"no {role} is in production", where="registry", fix="promote one")

    def version(self, task_id: str, role: ModelRole, number: int) -> ModelVersion:
        return _at(self.versions(task_id, role)[::-1], number)

    def versions(self, task_id: str, role: ModelRole) -> list[ModelVersion]:
        with self._lock:
            model = self._model(task_id, role)
            beside = {alias: other for alias, other in model.aliases.items() if other != model.production}
            return [
                msgspec.structs.replace(
                    version,
                    in_production=version.version == model.production,
                    alias=next((alias for alias, other in beside.items() if other == version.version), None),
                )
                for version in reversed(model.versions)
            ]

    def artefact(self, task_id: str, role: ModelRole, version: int) -> bytes:
        with self._lock:
            return _at(self._model(task_id, role).artefacts, version)

    def parameters(self, task_id: str, role: ModelRole, version: int) -> dict[str, str]:
        with self._lock:
            return _at(self._model(task_id, role).parameters, version).copy()

    def record_day(self, task_id: str, day: Day) -> None:
        with self._lock:
            self._model(task_id, ModelRole.PROPOSER)
            known = self._days.setdefault(task_id, {})
            if day.date not in known or known[day.date].revision <= day.revision:
                known[day.date] = day

    def days(self, task_id: str) -> list[Day]:
        with self._lock:
            self.ready()
            return sorted(self._days.get(task_id, {}).values(), key=lambda day: day.date, reverse=True)

    def delete_task(self, task_id: str) -> None:
        with self._lock:
            self.ready()
            self._days.pop(task_id, None)
            for role in ModelRole:
                self._models.pop((task_id, role), None)

    def ready(self) -> None:
        if not self.available:
            raise EngineUnavailable("the registry is away", where="registry", fix="set available")

    def _names(self) -> Iterable[str]:
        return {model.name for model in self._models.values()}

    def _model(self, task_id: str, role: ModelRole) -> _Model:
        self.ready()
        model = self._models.get((task_id, role))
        if model is None:
            raise ModelNotFound(f"there is no {role} of this task", where="registry", fix="create the task")
        return model


def _at(items: list[Item], version: int) -> Item:
    if not 1 <= version <= len(items):
        raise ModelNotFound(f"there is no version {version}", where="registry", fix="list the versions")
    return items[version - 1]
