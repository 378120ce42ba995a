"""A model at rest: manifest and files, signed, then sealed (design section 4).

The signature (Ed25519) is over the manifest, which names the SHA-256 of every file; the seal (AES-256-GCM) is over
all of it, bound to task, role and manifest digest. Everything is verified at every load; whatever does not hold is
refused by name with `ModelRefused`, and the model that serves keeps serving.
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Mapping
from enum import StrEnum
from typing import NamedTuple

import msgspec

from dissonance.contracts.schema import Scalar
from dissonance.errors import ModelForeign, ModelMisfit, ModelRefused, SealBroken
from dissonance.security.envelope import KEY_BYTES, open_sealed, seal
from dissonance.security.signatures import PUBLIC_KEY_BYTES, SEED_BYTES, public_key, sign, verifies

PURPOSE = "dissonance model manifest 1"
MAGIC = b"dissonance-model-1"

FEATURE_SCHEMA, CLASS_ORDER = "feature schema", "class order"
"""Where a `ModelMisfit` says that a model does not fit its task."""


class ArtefactFormat(StrEnum):
    LIGHTGBM_TEXT = "lightgbm-text"
    SKOPS = "skops"
    CRITIC_JSON = "critic-json"


class Manifest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the model is. Digests are SHA-256, 64 hex digits; `created_at_us` is microseconds since 1970.

    `parent`: of a critic, the digest of the proposer it doubts; of a proposer, the one it was trained after, or
    empty. `trusted_types`: of a skops file, the types beyond skops' own list that it may hold.
    """

    format: ArtefactFormat
    task_id: str
    role: str
    classes: tuple[Scalar, ...]
    schema_digest: str
    files: dict[str, str]
    libraries: dict[str, str]
    training_data_digest: str
    parent: str
    created_at_us: int
    trusted_types: tuple[str, ...] = ()


class Artefact(msgspec.Struct, frozen=True):
    """A verified model: what it is, its files by name, and the digest of its manifest."""

    manifest: Manifest
    files: dict[str, bytes]
    digest: str


@dataclasses.dataclass(frozen=True)
class ArtefactKeys:
    """`sealing`: AES-256 key; `verification`: Ed25519 public key; `signing`: its seed, only where models are made."""

    sealing: bytes = dataclasses.field(repr=False)
    verification: bytes
    signing: bytes | None = dataclasses.field(default=None, repr=False)

    def __post_init__(self) -> None:
        if len(self.sealing) != KEY_BYTES or len(self.verification) != PUBLIC_KEY_BYTES:
            raise ModelRefused(
                "an artefact key has the wrong length", where="artefact keys", fix="restore the key folder"
            )

    @classmethod
    def from_seed(cls, sealing: bytes, signing: bytes) -> ArtefactKeys:
        """Keys of a process that makes models: 32 bytes each."""
        if len(signing) != SEED_BYTES:
            raise ModelRefused(
                "the signing key has the wrong length", where="artefact keys", fix="restore the key folder"
            )
        return cls(sealing=sealing, verification=public_key(signing), signing=signing)


class _Outer(msgspec.Struct, frozen=True, array_like=True):
    magic: bytes
    task_id: str
    role: str
    digest: str
    sealed: bytes


class _Inner(msgspec.Struct, frozen=True, array_like=True):
    manifest: bytes
    signature: bytes
    files: dict[str, bytes]


def file_digests(files: Mapping[str, bytes]) -> dict[str, str]:
    """SHA-256 of each file, 64 hex digits; what `Manifest.files` holds."""
    return {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}


def pack(manifest: Manifest, files: Mapping[str, bytes], keys: ArtefactKeys, nonce: bytes) -> tuple[bytes, str]:
    """The sealed bytes, and the SHA-256 of the manifest. `nonce`: 12 random bytes, never used twice.

    Raises `ModelRefused` when the manifest does not name exactly these files, or without a signing key.
    """
    if keys.signing is None:
        raise _refused("there is no signing key in this process", fix="make models where the signing key is")
    if manifest.files != file_digests(files):
        raise _refused("the manifest names other files than were given", fix="name each file with its SHA-256")
    body = msgspec.json.encode(manifest, order="deterministic")
    digest = hashlib.sha256(body).hexdigest()
    inner = _Inner(body, sign(keys.signing, PURPOSE, body), dict(files))
    sealed = seal(
        keys.sealing, nonce, msgspec.msgpack.encode(inner), _bound_to(manifest.task_id, manifest.role, digest)
    )
    return msgspec.msgpack.encode(_Outer(MAGIC, manifest.task_id, manifest.role, digest, sealed)), digest


class Expected(NamedTuple):
    """What model is expected in a place. `schema_digest` and `classes` are the task's."""

    task_id: str
    role: str
    schema_digest: str
    classes: tuple[Scalar, ...]


def unpack(data: bytes, keys: ArtefactKeys, expected: Expected) -> Artefact:
    """Open and verify all of it.

    Raises `ModelRefused`, with a text of its own for each thing that does not hold.
    """
    outer = _outer(data)
    if outer.task_id != expected.task_id:
        raise _misfit("it was made for another task", "task")
    if outer.role != expected.role:
        raise _misfit(f"it is a {outer.role}, not a {expected.role}", "role")
    inner = _open(outer, keys)
    if not verifies(keys.verification, inner.signature, PURPOSE, inner.manifest):
        raise ModelForeign(
            "the model was refused: its signature does not hold",
            where="model artefact",
            fix="register a model signed with this system's key",
        )
    if hashlib.sha256(inner.manifest).hexdigest() != outer.digest:
        raise _refused("its digest is not that of its manifest")
    manifest = _manifest(inner.manifest)
    if (manifest.task_id, manifest.role) != (expected.task_id, expected.role):
        raise _misfit("its manifest speaks of another task or role", "task")
    if manifest.schema_digest != expected.schema_digest:
        raise _misfit("it was trained on another feature schema than the task has", FEATURE_SCHEMA)
    if manifest.classes != expected.classes:
        raise _misfit("its classes, or their order, are not the task's", CLASS_ORDER)
    _check_files(manifest, inner.files)
    return Artefact(manifest, inner.files, outer.digest)


def _outer(data: bytes) -> _Outer:
    try:
        outer = msgspec.msgpack.decode(data, type=_Outer)
    except msgspec.MsgspecError as error:
        raise _refused("it is no artefact, or was cut short") from error
    if outer.magic != MAGIC:
        raise _refused("it is an artefact of another version", fix="use the release that made it, or retrain")
    return outer


def _open(outer: _Outer, keys: ArtefactKeys) -> _Inner:
    try:
        plain = open_sealed(keys.sealing, outer.sealed, _bound_to(outer.task_id, outer.role, outer.digest))
        return msgspec.msgpack.decode(plain, type=_Inner)
    except SealBroken as error:
        raise _refused("its seal is broken: bytes changed, or another key sealed it") from error
    except msgspec.MsgspecError as error:
        raise _refused("what was sealed is no model") from error


def _manifest(body: bytes) -> Manifest:
    try:
        return msgspec.json.decode(body, type=Manifest)
    except msgspec.MsgspecError as error:
        raise _refused(f"its manifest cannot be read: {error}") from error


def _check_files(manifest: Manifest, files: Mapping[str, bytes]) -> None:
    if manifest.files.keys() != files.keys():
        raise _refused("it holds other files than its manifest names")
    for name, digest in file_digests(files).items():
        if digest != manifest.files[name]:
            raise _refused(f"its file '{name}' is not the one that was signed")


def _bound_to(task_id: str, role: str, digest: str) -> bytes:
    return "|".join(("dissonance-model", task_id, role, digest)).encode()


def _misfit(what: str, where: str) -> ModelMisfit:
    return ModelMisfit(f"the model was refused: {what}", where=where, fix="retrain: dissonance models retrain")


def _refused(what: str, fix: str = "register it again, or roll back to a version that holds") -> ModelRefused:
    return ModelRefused(f"the model was refused: {what}", where="model artefact", fix=fix)
