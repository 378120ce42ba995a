"""A model at rest: manifest and files, signed, then sealed (design section 4).

The signature is in the OpenSSF model signing format, over the manifest and every file, whose SHA-256 the manifest names
too. The seal (AES-256-GCM) is over all of it, bound to task, role and manifest digest. Everything is verified at every
load; whatever does not hold is refused with an error of its own, and the model that serves keeps serving.

Artefacts of the form before (signed with Ed25519 over the manifest alone) are still read (ADR 47).
"""

from __future__ import annotations

import dataclasses
import hashlib
import re
from collections.abc import Mapping
from enum import StrEnum
from typing import NamedTuple

import msgspec

from dissonance.contracts.schema import Scalar
from dissonance.contracts.unreadable import UNREADABLE
from dissonance.errors import (
    ModelDowngraded,
    ModelForeign,
    ModelMisfit,
    ModelRefused,
    ModelTampered,
    ModelUnsigned,
    ModelUnsupported,
    SealBroken,
)
from dissonance.security.envelope import KEY_BYTES, open_sealed, seal
from dissonance.security.model_signature import check_model, model_key, public_pem, sign_model
from dissonance.security.signatures import PUBLIC_KEY_BYTES, SEED_BYTES, public_key, verifies

PURPOSE = "dissonance model manifest 1"
MAGIC = b"dissonance-model-2"
MAGIC_BEFORE = b"dissonance-model-1"
MANIFEST_FILE = "manifest.json"

_FILE_NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,99}")
"""Files are written by their names when a model is exported (CWE-22)."""

PICKLES = tuple(b"\x80" + bytes([protocol]) for protocol in range(2, 6))
"""How a pickle of protocol 2 to 5 begins; files of the formats that are read never do."""

FEATURE_SCHEMA, CLASS_ORDER = "feature schema", "class order"
"""Where a `ModelMisfit` says that a model does not fit its task."""


class ArtefactFormat(StrEnum):
    LIGHTGBM_TEXT = "lightgbm-text"
    SKOPS = "skops"
    ONNX = "onnx"
    CRITIC_JSON = "critic-json"


class Manifest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the model is. Digests are SHA-256, 64 hex digits; `created_at_us` is microseconds since 1970.

    `parent`: of a critic, the digest of the proposer it doubts; of a proposer, the one it was trained after, or
    empty. `trusted_types`: of a skops file, the types beyond skops' own list that it may hold. `version`: the one it is
    registered as, so that it cannot stand in the place of another; none in artefacts of the form before.
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
    version: int | None = None


class Artefact(msgspec.Struct, frozen=True):
    """A verified model: what it is, its files by name, and the digest of its manifest. `manifest_json` and `signature`
    are what was signed and by what; of an artefact of the form before there is no such signature."""

    manifest: Manifest
    files: dict[str, bytes]
    digest: str
    manifest_json: bytes = b""
    signature: bytes = b""


@dataclasses.dataclass(frozen=True)
class ArtefactKeys:
    """`sealing`: AES-256 key. `model_key`: public key of model signatures, PEM. `verification`: Ed25519 public key of
    artefacts of the form before. `signing`: the seed of both, only where models are made."""

    sealing: bytes = dataclasses.field(repr=False)
    verification: bytes
    model_key: bytes
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
        return cls(
            sealing=sealing,
            verification=public_key(signing),
            model_key=public_pem(model_key(signing)),
            signing=signing,
        )


class _Outer(msgspec.Struct, frozen=True, array_like=True):
    magic: bytes
    task_id: str
    role: str
    digest: str
    sealed: bytes


class _Inner(msgspec.Struct, frozen=True, array_like=True):
    """`signature`: the bundle; of the form before, Ed25519 over the manifest."""

    manifest: bytes
    signature: bytes
    files: dict[str, bytes]


def file_digests(files: Mapping[str, bytes]) -> dict[str, str]:
    """SHA-256 of each file, 64 hex digits; what `Manifest.files` holds."""
    return {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}


def pack(manifest: Manifest, files: Mapping[str, bytes], keys: ArtefactKeys, nonce: bytes) -> tuple[bytes, str]:
    """The sealed bytes, and the SHA-256 of the manifest. `nonce`: 12 random bytes, never used twice.

    Raises `ModelRefused` when the manifest does not name exactly these files, or without a signing key, and
    `ModelUnsupported` for a pickle.
    """
    if keys.signing is None:
        raise _refused("there is no signing key in this process", fix="make models where the signing key is")
    if manifest.files != file_digests(files) or MANIFEST_FILE in files:
        raise _refused("the manifest names other files than were given", fix="name each file with its SHA-256")
    if not all(map(_FILE_NAME.fullmatch, files)):
        raise _refused("a file has a name that may lead elsewhere", fix="name files by letters, digits, '.', '-', '_'")
    refuse_pickles(files)
    body = msgspec.json.encode(manifest, order="deterministic")
    digest = hashlib.sha256(body).hexdigest()
    inner = _Inner(body, signature_of(manifest.role, body, files, keys), dict(files))
    sealed = seal(
        keys.sealing, nonce, msgspec.msgpack.encode(inner), _bound_to(manifest.task_id, manifest.role, digest)
    )
    return msgspec.msgpack.encode(_Outer(MAGIC, manifest.task_id, manifest.role, digest, sealed)), digest


def signature_of(name: str, manifest_json: bytes, files: Mapping[str, bytes], keys: ArtefactKeys) -> bytes:
    """The bundle over manifest and files. Raises `ModelRefused` without a signing key."""
    if keys.signing is None:
        raise _refused("there is no signing key in this process", fix="sign models where the signing key is")
    return sign_model(model_key(keys.signing), name, _signed_files(manifest_json, files))


def refuse_pickles(files: Mapping[str, bytes]) -> None:
    """Raises `ModelUnsupported`: loading a pickle runs code."""
    for name, content in files.items():
        if content.startswith(PICKLES):
            raise _unsupported(f"its file '{name}' is a pickle, which runs code when it is loaded")


class Expected(NamedTuple):
    """What model is expected in a place. `schema_digest` and `classes` are the task's; `version`: None for any."""

    task_id: str
    role: str
    schema_digest: str
    classes: tuple[Scalar, ...]
    version: int | None = None


def unpack(data: bytes, keys: ArtefactKeys, expected: Expected) -> Artefact:
    """Open and verify all of it.

    Raises a `ModelRefused`: `ModelTampered`, `ModelUnsigned`, `ModelForeign` (another key), `ModelDowngraded`,
    `ModelUnsupported` (format) or `ModelMisfit` (another task, schema or class order).
    """
    outer = _outer(data)
    if outer.task_id != expected.task_id:
        raise _misfit("it was made for another task", "task")
    if outer.role != expected.role:
        raise _misfit(f"it is a {outer.role}, not a {expected.role}", "role")
    inner = _open(outer, keys)
    _check_signature(outer, inner, keys)
    if hashlib.sha256(inner.manifest).hexdigest() != outer.digest:
        raise _tampered("its digest is not that of its manifest")
    refuse_pickles(inner.files)
    manifest = _manifest(inner.manifest)
    _check_files(manifest, inner.files)
    _check_fits(manifest, expected)
    signature = inner.signature if outer.magic == MAGIC else b""
    return Artefact(manifest, inner.files, outer.digest, inner.manifest, signature)


def _outer(data: bytes) -> _Outer:
    if data.startswith(PICKLES):
        raise _unsupported("it is a pickle, which runs code when it is loaded")
    try:
        outer = msgspec.msgpack.decode(data, type=_Outer)
    except UNREADABLE as error:
        raise _tampered("it is no artefact, or was cut short") from error
    if outer.magic not in (MAGIC, MAGIC_BEFORE):
        raise _unsupported("it is an artefact of another release", fix="use the release that made it, or retrain")
    return outer


def _open(outer: _Outer, keys: ArtefactKeys) -> _Inner:
    try:
        plain = open_sealed(keys.sealing, outer.sealed, _bound_to(outer.task_id, outer.role, outer.digest))
        return msgspec.msgpack.decode(plain, type=_Inner)
    except SealBroken as error:
        raise _tampered("its seal is broken: bytes changed, or another key sealed it") from error
    except UNREADABLE as error:
        raise _tampered("what was sealed is no model") from error


def _check_signature(outer: _Outer, inner: _Inner, keys: ArtefactKeys) -> None:
    if outer.magic == MAGIC:
        check_model(keys.model_key, inner.signature, _signed_files(inner.manifest, inner.files))
    elif not inner.signature:
        raise ModelUnsigned(
            "the model was refused: it has no signature",
            where="model artefact",
            fix="retrain: dissonance models retrain",
        )
    elif not verifies(keys.verification, inner.signature, PURPOSE, inner.manifest):
        raise ModelForeign(
            "the model was refused: its signature does not hold",
            where="model artefact",
            fix="register a model signed with this system's key",
        )


def _manifest(body: bytes) -> Manifest:
    try:
        stated = msgspec.json.decode(body, type=_Stated).format
        if stated not in tuple(ArtefactFormat):
            raise _unsupported(f"its format is '{stated}'")
        return msgspec.json.decode(body, type=Manifest)
    except UNREADABLE as error:
        raise _tampered(f"its manifest cannot be read: {error}") from error


class _Stated(msgspec.Struct):
    format: str


def _check_files(manifest: Manifest, files: Mapping[str, bytes]) -> None:
    if manifest.files.keys() != files.keys():
        raise _tampered("it holds other files than its manifest names")
    if not all(map(_FILE_NAME.fullmatch, files)):
        raise _tampered("a file of it has a name that may lead elsewhere")
    for name, digest in file_digests(files).items():
        if digest != manifest.files[name]:
            raise _tampered(f"its file '{name}' is not the one that was signed")


def _check_fits(manifest: Manifest, expected: Expected) -> None:
    if (manifest.task_id, manifest.role) != (expected.task_id, expected.role):
        raise _misfit("its manifest speaks of another task or role", "task")
    if manifest.schema_digest != expected.schema_digest:
        raise _misfit("it was trained on another feature schema than the task has", FEATURE_SCHEMA)
    if manifest.classes != expected.classes:
        raise _misfit("its classes, or their order, are not the task's", CLASS_ORDER)
    if None not in (manifest.version, expected.version) and manifest.version != expected.version:
        raise ModelDowngraded(
            f"the model was refused: it is version {manifest.version}, put in the place of {expected.version}",
            where="model artefact",
            fix="roll back to a version that holds: dissonance models rollback",
        )


def _signed_files(manifest_json: bytes, files: Mapping[str, bytes]) -> dict[str, bytes]:
    return {**files, MANIFEST_FILE: manifest_json}


def _bound_to(task_id: str, role: str, digest: str) -> bytes:
    return "|".join(("dissonance-model", task_id, role, digest)).encode()


def _misfit(what: str, where: str) -> ModelMisfit:
    return ModelMisfit(f"the model was refused: {what}", where=where, fix="retrain: dissonance models retrain")


def _unsupported(what: str, fix: str = "give a LightGBM text file, ONNX or skops") -> ModelUnsupported:
    return ModelUnsupported(f"the model was refused: {what}", where="model artefact", fix=fix)


def _tampered(what: str) -> ModelTampered:
    return ModelTampered(
        f"the model was refused: {what}",
        where="model artefact",
        fix="register it again, or roll back to a version that holds",
    )


def _refused(what: str, fix: str) -> ModelRefused:
    return ModelRefused(f"the model was refused: {what}", where="model artefact", fix=fix)
