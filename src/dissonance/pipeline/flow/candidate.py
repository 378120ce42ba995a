"""A fitted pair between training and registering: kept sealed, known by the digest of its files."""

from __future__ import annotations

import hashlib
from typing import NamedTuple

import msgspec

from dissonance.contracts.schema import Task, schema_digest
from dissonance.decisions.models import CRITIC_FILE, open_proposer
from dissonance.errors import RecordBroken, SealBroken
from dissonance.pipeline.registration import PAPERS, FittedPair, proposer_files
from dissonance.ports.blobs import Blobs
from dissonance.ports.registry import ModelRole, ModelVersion
from dissonance.science.sceptic import Sceptic
from dissonance.security.artefacts import Artefact, ArtefactFormat, Manifest, file_digests
from dissonance.security.envelope import open_sealed, seal


class Kept(msgspec.Struct, frozen=True, kw_only=True):
    """Files of both models, and what is registered with them."""

    format: ArtefactFormat
    proposer: dict[str, bytes]
    trusted_types: tuple[str, ...]
    critic: bytes
    proposer_metrics: dict[str, float]
    critic_metrics: dict[str, float]
    parameters: dict[str, str]
    data_digest: str


class Place(NamedTuple):
    """Where a candidate rests: `path` in `files`, sealed under `key`, bound to its task and name."""

    files: Blobs
    folder: str
    key: bytes
    task: Task

    def path(self, name: str) -> str:
        return f"{self.folder}/candidates/{name}.sealed"

    def bound(self, name: str) -> bytes:
        return f"dissonance-candidate|{self.task.task_id}|{name}".encode()


def kept(pair: FittedPair) -> Kept:
    artefact_format, files, types = proposer_files(pair)
    return Kept(
        format=artefact_format,
        proposer=files,
        trusted_types=types,
        critic=pair.critic.to_json(),
        proposer_metrics=dict(pair.proposer_metrics),
        critic_metrics=dict(pair.critic_metrics),
        parameters=dict(pair.parameters),
        data_digest=pair.data_digest,
    )


def files_digest(candidate: Kept) -> str:
    """SHA-256 over the digests of all files, 64 hex digits. The manifest is left out: it says when it was made."""
    return digest_of_files(file_digests(candidate.proposer), file_digests({CRITIC_FILE: candidate.critic}))


def digest_of_files(proposer: dict[str, str], critic: dict[str, str]) -> str:
    """Of the files that two manifests name; what tells of a model is no part of it."""
    told = [{name: digest for name, digest in files.items() if name not in PAPERS} for files in (proposer, critic)]
    return hashlib.sha256(msgspec.json.encode(told, order="sorted")).hexdigest()


def write_candidate(place: Place, name: str, candidate: Kept, nonce: bytes) -> None:
    """Whole or not at all. `nonce`: 12 random bytes."""
    plain = msgspec.msgpack.encode(candidate)
    place.files.write(place.path(name), seal(place.key, nonce, plain, place.bound(name)))


def read_candidate(place: Place, name: str, digest: str) -> Kept:
    """Raises `RecordBroken` when it is not the one of this digest, or gone."""
    fix = "delete the step records of the task's folder: it is trained again"
    try:
        plain = open_sealed(place.key, place.files.read(place.path(name)), place.bound(name))
        candidate = msgspec.msgpack.decode(plain, type=Kept)
    except (SealBroken, msgspec.MsgspecError) as error:
        raise RecordBroken(f"the candidate cannot be opened: {error}", where=place.path(name), fix=fix) from error
    if files_digest(candidate) != digest:
        raise RecordBroken("the candidate is not the one of its record", where=place.path(name), fix=fix)
    return candidate


def fitted(task: Task, candidate: Kept, parent: ModelVersion) -> FittedPair:
    """Opened as a registered one is. Raises `ModelRefused`."""
    manifest = Manifest(
        format=candidate.format,
        task_id=task.task_id,
        role=ModelRole.PROPOSER.value,
        classes=task.classes,
        schema_digest=schema_digest(task.schema),
        files=file_digests(candidate.proposer),
        libraries={},
        training_data_digest=candidate.data_digest,
        parent=parent.digest,
        created_at_us=0,
        trusted_types=candidate.trusted_types,
    )
    return FittedPair(
        proposer=open_proposer(Artefact(manifest, candidate.proposer, "")),  # type: ignore[arg-type]  # one of ours
        critic=Sceptic.from_json(candidate.critic),
        proposer_metrics=candidate.proposer_metrics,
        critic_metrics=candidate.critic_metrics,
        parameters=candidate.parameters,
        data_digest=candidate.data_digest,
        parent=parent,
        declared_types=candidate.trusted_types,
    )
