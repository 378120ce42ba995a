"""Signatures of models in the OpenSSF model signing format, version 1.0, made and checked without its library.

A signature is a Sigstore bundle (v0.3, JSON) with a DSSE envelope around an in-toto statement that names the SHA-256 of
every file, signed by ECDSA on P-256. Anybody checks it with `model_signing verify key` and our public key; a test does.
The library takes keys from files only and loads for two seconds: neither is for the path that answers (ADR 47).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Mapping

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_public_key

from dissonance.contracts.unreadable import UNREADABLE
from dissonance.errors import ModelForeign, ModelTampered, ModelUnsigned
from dissonance.security.p256 import ORDER

BUNDLE_TYPE = "application/vnd.dev.sigstore.bundle.v0.3+json"
PAYLOAD_TYPE = "application/vnd.in-toto+json"
STATEMENT_TYPE = "https://in-toto.io/Statement/v1"
PREDICATE_TYPE = "https://model_signing/signature/v1.0"

SCALAR_BYTES = 40
"""Eight more than the order has, so that the bias of the reduction is negligible (FIPS 186-5, A.2.1)."""


class _Named(msgspec.Struct, frozen=True):
    """`digest`: SHA-256, 64 hex digits."""

    algorithm: str
    digest: str
    name: str


class _Predicate(msgspec.Struct, frozen=True):
    serialization: dict[str, object]
    resources: list[_Named]


class _Subject(msgspec.Struct, frozen=True):
    name: str
    digest: dict[str, str]


class _Statement(msgspec.Struct, frozen=True):
    type_: str = msgspec.field(name="_type")
    subject: list[_Subject]
    predicate_type: str = msgspec.field(name="predicateType")
    predicate: _Predicate


class _Signature(msgspec.Struct, frozen=True):
    sig: str
    keyid: str = ""


class _Envelope(msgspec.Struct, frozen=True, rename="camel"):
    payload: str
    payload_type: str
    signatures: list[_Signature]


class _PublicKey(msgspec.Struct, frozen=True):
    """`hint`: SHA-256 of the public key's PEM, 64 hex digits."""

    hint: str = ""


class _Material(msgspec.Struct, frozen=True, rename="camel"):
    public_key: _PublicKey
    tlog_entries: list[object]


class _Bundle(msgspec.Struct, frozen=True, rename="camel"):
    media_type: str
    verification_material: _Material
    dsse_envelope: _Envelope


def model_key(seed: bytes) -> ec.EllipticCurvePrivateKey:
    """The key that signs models, from the installation's signing seed (32 bytes) by HKDF-SHA-256 (RFC 5869): the same
    seed gives the same key, so that a key folder of an older release has it too."""
    derived = HKDF(hashes.SHA256(), SCALAR_BYTES, salt=None, info=b"dissonance/model-signing").derive(seed)
    return ec.derive_private_key(int.from_bytes(derived, "big") % (ORDER - 1) + 1, ec.SECP256R1())


def public_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    """What others check our models with."""
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def sign_model(key: ec.EllipticCurvePrivateKey, name: str, files: Mapping[str, bytes]) -> bytes:
    """The bundle, JSON. `files` by their name within the model's folder. No chance is in it: the nonce is that of RFC
    6979, so that the same files under the same key have the same signature."""
    named = [_Named("sha256", hashlib.sha256(files[each]).hexdigest(), each) for each in sorted(files)]
    root = hashlib.sha256(b"".join(bytes.fromhex(each.digest) for each in named)).hexdigest()
    serialization: dict[str, object] = {"method": "files", "hash_type": "sha256", "allow_symlinks": False}
    statement = _Statement(
        STATEMENT_TYPE,
        [_Subject(name, {"sha256": root})],
        PREDICATE_TYPE,
        _Predicate(serialization | {"ignore_paths": []}, named),
    )
    payload = msgspec.json.encode(statement, order="deterministic")
    signature = key.sign(_authenticated(payload), ec.ECDSA(hashes.SHA256(), deterministic_signing=True))
    return msgspec.json.encode(
        _Bundle(
            BUNDLE_TYPE,
            _Material(_PublicKey(hashlib.sha256(public_pem(key)).hexdigest()), []),
            _Envelope(_text(payload), PAYLOAD_TYPE, [_Signature(_text(signature))]),
        ),
        order="deterministic",
    )


def check_model(public_key_pem: bytes, bundle: bytes, files: Mapping[str, bytes]) -> None:
    """Whether the bundle is the signature of exactly these files by this key.

    Raises `ModelUnsigned` without a signature, `ModelForeign` when another key signed, `ModelTampered` otherwise.
    """
    if not bundle:
        raise _unsigned()
    try:
        read = msgspec.json.decode(bundle, type=_Bundle)
    except UNREADABLE as error:
        raise _tampered(f"its signature cannot be read: {error}") from error
    if not read.dsse_envelope.signatures:
        raise _unsigned()
    if read.verification_material.public_key.hint != hashlib.sha256(public_key_pem).hexdigest():
        raise ModelForeign(
            "the model was refused: another key signed it",
            where="model artefact",
            fix="register a model signed with this system's key",
        )
    statement = _statement(_verified(public_key_pem, read))
    signed = {each.name: each.digest for each in statement.predicate.resources}
    if signed.keys() != files.keys():
        raise _tampered("it holds other files than were signed")
    for name, content in files.items():
        if hashlib.sha256(content).hexdigest() != signed[name]:
            raise _tampered(f"its file '{name}' is not the one that was signed")


def _verified(public_key_pem: bytes, bundle: _Bundle) -> bytes:
    """The payload, once its signature holds."""
    envelope = bundle.dsse_envelope
    key = load_pem_public_key(public_key_pem)
    assert isinstance(key, ec.EllipticCurvePublicKey)
    try:
        payload = base64.b64decode(envelope.payload, validate=True)
        signature = base64.b64decode(envelope.signatures[0].sig, validate=True)
        key.verify(signature, _authenticated(payload), ec.ECDSA(hashes.SHA256()))
    except (InvalidSignature, binascii.Error) as error:
        raise _tampered("its signature does not hold") from error
    return payload


def _statement(payload: bytes) -> _Statement:
    try:
        statement = msgspec.json.decode(payload, type=_Statement)
    except UNREADABLE as error:
        raise _tampered(f"what was signed is no statement on a model: {error}") from error
    if (statement.type_, statement.predicate_type) != (STATEMENT_TYPE, PREDICATE_TYPE):
        raise _tampered("what was signed is no statement on a model")
    return statement


def _authenticated(payload: bytes) -> bytes:
    """What is signed: type and payload with their lengths (DSSE protocol, PAE)."""
    return b"DSSEv1 %d %s %d %s" % (len(PAYLOAD_TYPE), PAYLOAD_TYPE.encode(), len(payload), payload)


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


def _unsigned() -> ModelUnsigned:
    return ModelUnsigned(
        "the model was refused: it has no signature",
        where="model artefact",
        fix="register it again where the signing key is, or roll back to a version that holds",
    )


def _tampered(what: str) -> ModelTampered:
    return ModelTampered(
        f"the model was refused: {what}",
        where="model artefact",
        fix="register it again, or roll back to a version that holds",
    )
