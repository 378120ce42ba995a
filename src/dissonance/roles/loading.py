"""Models out of the registry for the roles: a pair is loaded once per process and version."""

from __future__ import annotations

from threading import Lock

from dissonance.contracts.schema import Task
from dissonance.decisions.pairs import load_pair
from dissonance.errors import ModelNotFound
from dissonance.ports.registry import ModelRole, ModelVersion, Registry
from dissonance.roles.serving import Serving
from dissonance.security.artefacts import ArtefactKeys

PAIRS_KEPT = 16


class RegistryLoader:
    """`roles.serving.ModelLoader` on a registry. Thread-safe; blocking."""

    def __init__(self, registry: Registry, keys: ArtefactKeys) -> None:
        self._registry = registry
        self._keys = keys
        self._pairs: dict[tuple[str, int], Serving] = {}
        self._lock = Lock()

    def production(self, task: Task) -> Serving:
        """The proposer that the alias names, with the critic that was made for it."""
        return self._pair(task, self._registry.production(task.task_id, ModelRole.PROPOSER))

    def fresh(self, task: Task) -> Serving:
        return self._read(task, self._registry.production(task.task_id, ModelRole.PROPOSER))

    def by_digest(self, task: Task, proposer_digest: str) -> Serving:
        for version in self._registry.versions(task.task_id, ModelRole.PROPOSER):
            if version.digest == proposer_digest:
                return self._pair(task, version)
        raise ModelNotFound(
            f"no proposer of '{task.name}' has the digest {proposer_digest[:12]}…",
            where="registry",
            fix="restore the registry from its backup",
        )

    def _pair(self, task: Task, version: ModelVersion) -> Serving:
        key = (task.task_id, version.version)
        with self._lock:
            if key not in self._pairs:
                self._pairs[key] = self._read(task, version)
                while len(self._pairs) > PAIRS_KEPT:
                    self._pairs.pop(next(iter(self._pairs)))
            return self._pairs[key]

    def _read(self, task: Task, version: ModelVersion) -> Serving:
        pair = load_pair(self._registry, self._keys, task, version)
        return Serving(
            version=version.version,
            proposer_digest=pair.artefact.digest,
            critic_digest=pair.critic_artefact.digest,
            proposer=pair.proposer,
            critic=pair.critic,
        )
