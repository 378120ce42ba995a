"""A fitted pair becomes two signed, sealed artefacts and two registered versions that name each other."""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from typing import NamedTuple

import msgspec

from dissonance.contracts.schema import Task, schema_digest
from dissonance.decisions.models import (
    BLEND_FILE,
    COMPONENTS_FILE,
    CRITIC_FILE,
    ONNX_FILE,
    SKOPS_FILE,
    TEXT_FILE,
    BlendParts,
    blend_part,
)
from dissonance.errors import ModelNotFound, ModelRefused
from dissonance.pipeline.coded import coded
from dissonance.pipeline.describing import Description
from dissonance.pipeline.model_card import CARD_FILE, model_card
from dissonance.pipeline.training import Proposer
from dissonance.pipeline.workshop import Workshop
from dissonance.ports.registry import Alias, ModelRole, ModelVersion
from dissonance.science.blend import BlendProposer
from dissonance.science.proposer import LightGBMProposer
from dissonance.science.sceptic import Sceptic
from dissonance.security.artefacts import ArtefactFormat, Manifest, file_digests, pack
from dissonance.security.envelope import NONCE_BYTES

TRIES = 3
LIBRARIES = ("dissonance", "lightgbm", "numpy", "onnxruntime", "scikit-learn", "skops")

BOM_FILE = "bom.cdx.json"
PAPERS = frozenset({BOM_FILE, CARD_FILE})
"""Files of an artefact that tell of the model and are no part of it."""


class OnnxFile(NamedTuple):
    """A proposer that is stored as it came."""

    content: bytes


class FittedPair(NamedTuple):
    """Models, what is known of them, and what they were made from.

    `parent`: the proposer in production when they were fitted. `data_digest`: SHA-256 over the training rows.
    `described`: what the proposer's card tells of golden rows; it tells less without.
    """

    proposer: Proposer | BlendProposer | OnnxFile
    critic: Sceptic
    proposer_metrics: Mapping[str, float]
    critic_metrics: Mapping[str, float]
    parameters: Mapping[str, str]
    data_digest: str
    parent: ModelVersion | None = None
    declared_types: Sequence[str] = ()
    described: Description | None = None


class RegisteredPair(NamedTuple):
    proposer: ModelVersion
    critic: ModelVersion


def register_pair(workshop: Workshop, task: Task, pair: FittedPair) -> RegisteredPair:
    """Pack and register both. Blocking. Raises `EngineUnavailable`, `TaskExists` or `ConfigurationError`, and
    `ModelRefused` when others keep registering at the same time.

    The critic's parent is its proposer: by digest in the manifest, by version in the registry. They are the `candidate`
    until they are judged.
    """
    proposer_format, files, types = proposer_files(pair)
    before = "" if pair.parent is None else pair.parent.digest
    manifest = _manifest(workshop, task, ModelRole.PROPOSER, proposer_format, files, pair, before, types)
    proposer = _register(workshop, task, manifest, files, pair, None if pair.parent is None else pair.parent.version)
    critic_files = {CRITIC_FILE: pair.critic.to_json()}
    manifest = _manifest(
        workshop, task, ModelRole.CRITIC, ArtefactFormat.CRITIC_JSON, critic_files, pair, proposer.digest, ()
    )
    critic = _register(workshop, task, manifest, critic_files, pair, proposer.version)
    for made in (critic, proposer):
        workshop.registry.mark(task.task_id, made.role, Alias.CANDIDATE, made.version)
    return RegisteredPair(proposer, critic)


def proposer_files(pair: FittedPair) -> tuple[ArtefactFormat, dict[str, bytes], tuple[str, ...]]:
    """Its format, its files by name, and the types that a skops file holds beyond skops' own list."""
    proposer = pair.proposer
    if isinstance(proposer, LightGBMProposer):
        files = {TEXT_FILE: proposer.text.encode()}
        if len(proposer.components) > 1:
            files[COMPONENTS_FILE] = msgspec.json.encode(proposer.components)
        return ArtefactFormat.LIGHTGBM_TEXT, files, ()
    if isinstance(proposer, OnnxFile):
        return ArtefactFormat.ONNX, {ONNX_FILE: proposer.content}, ()
    if isinstance(proposer, BlendProposer):
        parts = BlendParts(tuple(each.weight for each in proposer.models), proposer.offsets)
        files, types = {BLEND_FILE: msgspec.json.encode(parts)}, set[str]()
        for number, each in enumerate(proposer.models):
            files[blend_part(number)], found = each.model.stored(pair.declared_types)
            types |= set(found)
        return ArtefactFormat.SKOPS, files, tuple(sorted(types))
    data, names = proposer.stored(pair.declared_types)
    return ArtefactFormat.SKOPS, {SKOPS_FILE: data}, names


def _manifest(
    workshop: Workshop,
    task: Task,
    role: ModelRole,
    artefact_format: ArtefactFormat,
    files: Mapping[str, bytes],
    pair: FittedPair,
    parent: str,
    trusted_types: tuple[str, ...],
) -> Manifest:
    return Manifest(
        format=artefact_format,
        task_id=task.task_id,
        role=role.value,
        classes=task.classes,
        schema_digest=schema_digest(task.schema),
        files=file_digests(files),
        libraries={name: version(name) for name in LIBRARIES} | {"python": platform.python_version()},
        training_data_digest=pair.data_digest,
        parent=parent,
        created_at_us=workshop.clock.now_us(),
        trusted_types=trusted_types,
    )


def _register(
    workshop: Workshop,
    task: Task,
    manifest: Manifest,
    files: Mapping[str, bytes],
    pair: FittedPair,
    parent: int | None,
) -> ModelVersion:
    role = ModelRole(manifest.role)
    metrics = pair.proposer_metrics if role is ModelRole.PROPOSER else pair.critic_metrics
    parameters = {**pair.parameters, "format": manifest.format.value, "schema_digest": manifest.schema_digest}
    described = pair.described if role is ModelRole.PROPOSER else None
    shown, shown_description = coded(task, described)
    for _ in range(TRIES):
        numbered = msgspec.structs.replace(manifest, version=_newest(workshop, task, role) + 1)
        told = (numbered, metrics, parameters)
        whole = {**files, **_papers(task, *told, described)}
        documents = _papers(shown, *told, shown_description) | _pictures(shown, shown_description)
        numbered = msgspec.structs.replace(numbered, files=file_digests(whole))
        artefact, digest = pack(numbered, whole, workshop.artefact_keys, workshop.randomness.token(NONCE_BYTES))
        version = workshop.registry.register(
            task.task_id,
            task.name,
            role,
            artefact,
            digest,
            metrics=dict(metrics),
            parameters=parameters | {"training_data_digest": manifest.training_data_digest},
            parent=parent,
            documents=documents,
        )
        if version.version == numbered.version:
            return version
    raise ModelRefused(
        "others kept registering models of this task", where="registry", fix="retrain again when they are done"
    )


def _papers(
    task: Task,
    manifest: Manifest,
    metrics: Mapping[str, float],
    parameters: Mapping[str, str],
    described: Description | None,
) -> dict[str, bytes]:
    # CycloneDX loads for a while, and who registers nothing need not wait for it.
    from dissonance.pipeline.bill_of_materials import bill_of_materials

    papers = {BOM_FILE: bill_of_materials(task, manifest, metrics, parameters, described)}
    if manifest.role == ModelRole.PROPOSER:
        papers[CARD_FILE] = model_card(task, manifest, metrics, parameters, described)
    return papers


def _pictures(task: Task, described: Description | None) -> dict[str, bytes]:
    if described is None:
        return {}
    # matplotlib loads for a second, and only whoever registers draws.
    from dissonance.science.pictures import as_png, picture_of_confusion, picture_of_reliability

    names = [str(each) for each in task.classes]
    return {
        "reliability.png": as_png(picture_of_reliability(described.reliability)),
        "confusion.png": as_png(picture_of_confusion(described.confusion, names)),
    }


def _newest(workshop: Workshop, task: Task, role: ModelRole) -> int:
    """Its number is part of what is signed. Where somebody else was faster, the version that was made carries another
    number than its own, is refused at every load, and is made again (ADR 47)."""
    try:
        versions = workshop.registry.versions(task.task_id, role)
    except ModelNotFound:
        return 0
    return max((each.version for each in versions), default=0)
