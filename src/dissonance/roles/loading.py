"""Models out of the registry: fetched, verified, opened. A pair is loaded once per process and version."""

from __future__ import annotations

from threading import Lock

from dissonance.contracts.schema import Task, schema_digest
from dissonance.decisions.models import open_critic, open_proposer
from dissonance.errors import ModelNotFound, ModelRefused
from dissonance.ports.registry import ModelRole, ModelVersion, Registry
from dissonance.roles.serving import Serving
from dissonance.security.artefacts import Artefact, ArtefactKeys, unpack

PAIRS_KEPT = 16


class RegistryLoader:
    """`roles.serving.ModelLoader` on a registry. Thread-safe; blocking."""

    def __init__(self, registry: Registry, keys: ArtefactKeys) -> None:
        self._registry = registry
        self._keys = keys
        self._pairs: dict[tuple[str, int, int], Serving] = {}
        self._lock = Lock()

    def production(self, task: Task) -> Serving:
        proposer = self._registry.production(task.task_id, ModelRole.PROPOSER)
        critic = self._registry.production(task.task_id, ModelRole.CRITIC)
        return self._pair(task, proposer, critic)

    def by_digest(self, task: Task, proposer_digest: str) -> Serving:
        for proposer in self._registry.versions(task.task_id, ModelRole.PROPOSER):
            if proposer.digest == proposer_digest:
                return self._pair(task, proposer, self._critic_of(task, proposer))
        raise ModelNotFound(
            f"no proposer of '{task.name}' has the digest {proposer_digest[:12]}…",
            where="registry",
            fix="restore the registry from its backup",
        )

    def _critic_of(self, task: Task, proposer: ModelVersion) -> ModelVersion:
        for critic in self._registry.versions(task.task_id, ModelRole.CRITIC):
            if critic.parent == proposer.version:
                return critic
        raise ModelNotFound(
            f"version {proposer.version} of '{task.name}' has no critic",
            where="registry",
            fix="retrain: dissonance models retrain",
        )

    def _pair(self, task: Task, proposer: ModelVersion, critic: ModelVersion) -> Serving:
        key = (task.task_id, proposer.version, critic.version)
        with self._lock:
            if key not in self._pairs:
                self._pairs[key] = self._load(task, proposer, critic)
                while len(self._pairs) > PAIRS_KEPT:
                    self._pairs.pop(next(iter(self._pairs)))
            return self._pairs[key]

    def _load(self, task: Task, proposer: ModelVersion, critic: ModelVersion) -> Serving:
        answers = self._open(task, proposer)
        doubts = self._open(task, critic)
        if doubts.manifest.parent != answers.digest:
            raise ModelRefused(
                f"critic {critic.version} was made for another proposer than {proposer.version}",
                where="registry",
                fix="promote a pair: dissonance models promote",
            )
        return Serving(
            version=proposer.version,
            proposer_digest=answers.digest,
            critic_digest=doubts.digest,
            proposer=open_proposer(answers),
            critic=open_critic(doubts),
        )

    def _open(self, task: Task, version: ModelVersion) -> Artefact:
        data = self._registry.artefact(task.task_id, version.role, version.version)
        return unpack(
            data, self._keys, task_id=task.task_id, role=version.role, schema_digest=schema_digest(task.schema)
        )
