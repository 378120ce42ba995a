"""May this registered pair answer and doubt? Fetched, verified, opened; blocking, so called from a thread."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

from dissonance.contracts.schema import Task, schema_digest
from dissonance.decisions.models import Critic, Proposer, open_critic, open_proposer
from dissonance.errors import ModelDowngraded, ModelNotFound, ModelRefused
from dissonance.ports.registry import ModelRole, ModelVersion, Registry
from dissonance.security.artefacts import Artefact, ArtefactKeys, Expected, unpack


class LoadedPair(NamedTuple):
    """Both are verified, and the critic was made for this proposer."""

    version: ModelVersion
    critic_version: ModelVersion
    artefact: Artefact
    critic_artefact: Artefact
    proposer: Proposer
    critic: Critic


def load_pair(registry: Registry, keys: ArtefactKeys, task: Task, version: ModelVersion) -> LoadedPair:
    """The proposer of this version with its critic. Blocking.

    Raises `ModelNotFound`, `ModelRefused` or `EngineUnavailable`.
    """
    return _loaded(registry, keys, task, version, lambda: critic_of(registry, task, version))


def load_version(registry: Registry, keys: ArtefactKeys, task: Task, number: int | None) -> LoadedPair:
    """What `find_version` finds, with its critic. Blocking. Raises as `load_pair` does."""
    with ThreadPoolExecutor(max_workers=1) as meanwhile:
        listing = meanwhile.submit(registry.versions, task.task_id, ModelRole.CRITIC)
        proposers = registry.versions(task.task_id, ModelRole.PROPOSER)
        critics = listing.result()
    version = _chosen(task, proposers, critics, number)
    return _loaded(registry, keys, task, version, lambda: _critic_among(critics, version))


def _loaded(
    registry: Registry, keys: ArtefactKeys, task: Task, version: ModelVersion, critic: Callable[[], ModelVersion]
) -> LoadedPair:
    with ThreadPoolExecutor(max_workers=1) as meanwhile:  # most of the time is the registry's
        answering = meanwhile.submit(_unpacked, registry, keys, task, version)
        critic_version = critic()
        doubting = _unpacked(registry, keys, task, critic_version)
        artefact = answering.result()
    if doubting.manifest.parent != artefact.digest:
        raise ModelRefused(
            f"critic {critic_version.version} was made for another proposer than {version.version}",
            where="registry",
            fix="retrain: dissonance models retrain",
        )
    return LoadedPair(version, critic_version, artefact, doubting, open_proposer(artefact), open_critic(doubting))


def critic_of(registry: Registry, task: Task, proposer: ModelVersion) -> ModelVersion:
    """The newest critic whose parent is this proposer. Raises `ModelNotFound`."""
    return _critic_among(registry.versions(task.task_id, ModelRole.CRITIC), proposer)


def _critic_among(critics: Sequence[ModelVersion], proposer: ModelVersion) -> ModelVersion:
    for critic in critics:
        if critic.parent == proposer.version:
            return critic
    raise ModelNotFound(
        f"version {proposer.version} has no critic", where="registry", fix="retrain: dissonance models retrain"
    )


def find_version(registry: Registry, task: Task, number: int | None) -> ModelVersion:
    """The proposer of this number, or the newest that has a critic: one that has none was left by a retraining that was
    cut short. Raises `ModelNotFound`."""
    critics = registry.versions(task.task_id, ModelRole.CRITIC) if number is None else ()
    return _chosen(task, registry.versions(task.task_id, ModelRole.PROPOSER), critics, number)


def _chosen(
    task: Task, versions: Sequence[ModelVersion], critics: Sequence[ModelVersion], number: int | None
) -> ModelVersion:
    judged = {critic.parent for critic in critics} if number is None else ()
    for version in versions:
        if version.version == number or version.version in judged:
            return version
    raise ModelNotFound(
        f"'{task.name}' has no version {number}" if versions else f"'{task.name}' has no models",
        where="version",
        fix=f"the versions are {', '.join(str(each.version) for each in reversed(versions))}" if versions else "",
    )


def _unpacked(registry: Registry, keys: ArtefactKeys, task: Task, version: ModelVersion) -> Artefact:
    data = registry.artefact(task.task_id, version.role, version.version)
    expected = Expected(task.task_id, version.role.value, schema_digest(task.schema), task.classes, version.version)
    artefact = unpack(data, keys, expected)
    if artefact.digest != version.digest:
        raise ModelDowngraded(
            f"{version.role} {version.version} is not the model that was registered under this version",
            where="registry",
            fix="roll back to a version that holds: dissonance models rollback",
        )
    return artefact
