"""May this registered pair answer and doubt? Fetched, verified, opened; blocking, so called from a thread."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

from dissonance.contracts.schema import Task, schema_digest
from dissonance.errors import ModelDowngraded, ModelNotFound, ModelRefused
from dissonance.ports.registry import ARTEFACT_FILE, ModelRole, ModelVersion, Registry
from dissonance.security.artefacts import Artefact, ArtefactKeys, Expected, unpack

if TYPE_CHECKING:
    from dissonance.decisions.models import Critic, Proposer


class VerifiedPair(NamedTuple):
    """Signature, digest, schema and classes of both hold, and the critic was made for this proposer."""

    version: ModelVersion
    critic_version: ModelVersion
    artefact: Artefact
    critic_artefact: Artefact


class LoadedPair(NamedTuple):
    """A verified pair that was opened, too."""

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
    return _opened(task, _verified(registry, keys, task, version, lambda: critic_of(registry, task, version)))


def load_version(registry: Registry, keys: ArtefactKeys, task: Task, number: int | None) -> LoadedPair:
    """What `find_version` finds, with its critic. Blocking. Raises as `load_pair` does."""
    return _opened(task, verify_version(registry, keys, task, number))


def verify_version(registry: Registry, keys: ArtefactKeys, task: Task, number: int | None) -> VerifiedPair:
    """The same without opening the models, which takes LightGBM, scikit-learn or ONNX Runtime and so seconds in a fresh
    process. Blocking. Raises as `load_pair` does."""
    with ThreadPoolExecutor(max_workers=1) as meanwhile:
        listing = meanwhile.submit(registry.versions, task.task_id, ModelRole.CRITIC)
        if number is not None:
            version = find_version(registry, task, number)
        else:
            version = _newest_judged(task, registry.versions(task.task_id, ModelRole.PROPOSER), listing.result())
        critics = listing.result()
    return _verified(registry, keys, task, version, lambda: _critic_among(critics, version))


def _opened(task: Task, pair: VerifiedPair) -> LoadedPair:
    from dissonance.decisions.models import open_critic, open_proposer

    with _named(task, pair.version):
        proposer = open_proposer(pair.artefact)
    with _named(task, pair.critic_version):
        return LoadedPair(*pair, proposer, open_critic(pair.critic_artefact))


@contextmanager
def _named(task: Task, version: ModelVersion) -> Iterator[None]:
    """A refusal says which model it is of, and which file of the registry; its kind and its place stay."""
    try:
        yield
    except ModelRefused as error:
        which = f"{task.name} version {version.version} ({version.role}, {ARTEFACT_FILE})"
        raise type(error)(f"{which}: {error.what}", where=error.where, fix=error.fix) from error


def _verified(
    registry: Registry, keys: ArtefactKeys, task: Task, version: ModelVersion, critic: Callable[[], ModelVersion]
) -> VerifiedPair:
    with ThreadPoolExecutor(max_workers=1) as meanwhile:  # most of the time is the registry's
        answering = meanwhile.submit(_unpacked, registry, keys, task, version)
        critic_version = critic()
        doubting = _unpacked(registry, keys, task, critic_version)
        artefact = answering.result()
    if doubting.manifest.parent != artefact.digest:
        raise ModelRefused(
            f"{task.name} version {version.version}: critic {critic_version.version} was made for another proposer",
            where="registry",
            fix="retrain: dissonance models retrain",
        )
    return VerifiedPair(version, critic_version, artefact, doubting)


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
    if number is None:
        critics = registry.versions(task.task_id, ModelRole.CRITIC)
        return _newest_judged(task, registry.versions(task.task_id, ModelRole.PROPOSER), critics)
    try:
        return registry.version(task.task_id, ModelRole.PROPOSER, number)
    except ModelNotFound as error:
        known = ", ".join(str(each.version) for each in reversed(registry.versions(task.task_id, ModelRole.PROPOSER)))
        raise ModelNotFound(
            f"'{task.name}' has no version {number}", where="version", fix=f"the versions are {known}"
        ) from error


def _newest_judged(task: Task, proposers: Sequence[ModelVersion], critics: Sequence[ModelVersion]) -> ModelVersion:
    judged = {critic.parent for critic in critics}
    for version in proposers:
        if version.version in judged:
            return version
    raise ModelNotFound(f"'{task.name}' has no models", where="version", fix="retrain: dissonance models retrain")


def _unpacked(registry: Registry, keys: ArtefactKeys, task: Task, version: ModelVersion) -> Artefact:
    data = registry.artefact(task.task_id, version.role, version.version)
    expected = Expected(task.task_id, version.role.value, schema_digest(task.schema), task.classes, version.version)
    with _named(task, version):
        artefact = unpack(data, keys, expected)
        if artefact.digest != version.digest:
            raise ModelDowngraded(
                "it is not the model that was registered under this version",
                where="registry",
                fix="roll back to a version that holds: dissonance models rollback",
            )
    return artefact
