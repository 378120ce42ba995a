"""A registry that is not asked for a while after it did not answer (ADR 39)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property

from dissonance.errors import DissonanceError, EngineUnavailable
from dissonance.ports.breaker import Breaker
from dissonance.ports.registry import NO_DOCUMENTS, Alias, Day, ModelRole, ModelVersion, Registry

FAILURES = 2
REST_S = 2.0


class GuardedRegistry:
    """`ports.registry.Registry`. Thread-safe as far as the registry is, which is opened when it is asked first."""

    def __init__(self, opened: Callable[[], Registry], breaker: Breaker) -> None:
        self._opened = opened
        self._breaker = breaker

    @cached_property
    def _registry(self) -> Registry:
        return self._opened()

    @contextmanager
    def _guarded(self) -> Iterator[None]:
        self._breaker.require()
        try:
            yield
        except EngineUnavailable:
            self._breaker.failed()
            raise
        except DissonanceError:  # an answer, if not the one hoped for
            self._breaker.succeeded()
            raise
        self._breaker.succeeded()

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
        with self._guarded():
            return self._registry.register(
                task_id,
                task_name,
                role,
                artefact,
                digest,
                metrics=metrics,
                parameters=parameters,
                parent=parent,
                documents=documents,
            )

    def promote(self, version: ModelVersion) -> None:
        with self._guarded():
            self._registry.promote(version)

    def mark(self, task_id: str, role: ModelRole, alias: Alias, version: int | None) -> None:
        with self._guarded():
            self._registry.mark(task_id, role, alias, version)

    def production(self, task_id: str, role: ModelRole) -> ModelVersion:
        with self._guarded():
            return self._registry.production(task_id, role)

    def version(self, task_id: str, role: ModelRole, number: int) -> ModelVersion:
        with self._guarded():
            return self._registry.version(task_id, role, number)

    def versions(self, task_id: str, role: ModelRole) -> list[ModelVersion]:
        with self._guarded():
            return self._registry.versions(task_id, role)

    def artefact(self, task_id: str, role: ModelRole, version: int) -> bytes:
        with self._guarded():
            return self._registry.artefact(task_id, role, version)

    def parameters(self, task_id: str, role: ModelRole, version: int) -> dict[str, str]:
        with self._guarded():
            return self._registry.parameters(task_id, role, version)

    def record_day(self, task_id: str, day: Day) -> None:
        with self._guarded():
            self._registry.record_day(task_id, day)

    def days(self, task_id: str) -> list[Day]:
        with self._guarded():
            return self._registry.days(task_id)

    def delete_task(self, task_id: str) -> None:
        with self._guarded():
            self._registry.delete_task(task_id)

    def ready(self) -> None:
        with self._guarded():
            self._registry.ready()
