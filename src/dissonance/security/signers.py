"""Public keys that sign tokens: from a PEM, or from the key set that an issuer publishes (RFC 7517)."""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from typing import Any, Literal

import jwt
import msgspec
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_public_key

from dissonance.contracts.unreadable import UNREADABLE
from dissonance.errors import ConfigurationError, InputError
from dissonance.security.secret_texts import base64url

ES256: Literal["ES256"] = "ES256"
Algorithm = Literal["ES256", "EdDSA", "RS256"]
ALGORITHMS: dict[tuple[str, str], Algorithm] = {
    ("EC", "P-256"): ES256,
    ("OKP", "Ed25519"): "EdDSA",
    ("RSA", ""): "RS256",
}
"""Type and curve of a key to the one algorithm that it is used with (RFC 8725 section 3.1)."""

RSA_BITS = 2048
"""A shorter RSA key is not taken (RFC 7518 section 3.3)."""

MAX_KEYS = 100


class Signer(msgspec.Struct, frozen=True):
    """A public key, its name, and the one algorithm that it signs with, whatever a token says. `digest`: SHA-256 of the
    key itself, in hexadecimal, since an issuer may give an old name to a new key."""

    kid: str
    algorithm: Algorithm
    digest: str
    key: Any


def signers_of(key_set: bytes, algorithms: Collection[str]) -> dict[str, Signer]:
    """The keys of a key set that sign with one of `algorithms`, by `kid`; others are passed over (RFC 7517 section 5).

    Raises `ValueError` for what is no key set, is too long, or gives one name to two keys.

    >>> signers_of(b'{"keys": [{"kty": "oct", "kid": "a", "k": "AA"}]}', ["ES256"])
    {}
    """
    found: dict[str, Signer] = {}
    try:
        published = msgspec.json.decode(key_set, type=_KeySet).keys
    except UNREADABLE as error:
        raise ValueError(f"no key set: {error}") from error
    if len(published) > MAX_KEYS:
        raise ValueError(f"{len(published)} keys, more than {MAX_KEYS}")
    for each in published:
        signer = _signer(each)
        if signer is None or signer.algorithm not in algorithms:
            continue
        if signer.kid in found:
            raise ValueError(f"two keys are named {signer.kid[:40]!r}")
        found[signer.kid] = signer
    return found


class _KeySet(msgspec.Struct):
    keys: list[dict[str, Any]]


def _signer(published: dict[str, Any]) -> Signer | None:
    algorithm = ALGORITHMS.get((str(published.get("kty")), str(published.get("crv", ""))))
    kid = published.get("kid")
    usable = published.get("use", "sig") == "sig" and published.get("alg", algorithm) == algorithm
    if algorithm is None or not usable or not isinstance(kid, str):
        return None
    try:
        key = jwt.PyJWK(published, algorithm).key
    except jwt.PyJWTError as error:
        raise ValueError(f"the key {kid[:40]!r} cannot be read") from error
    if isinstance(key, rsa.RSAPublicKey) and key.key_size < RSA_BITS:
        return None
    return Signer(kid, algorithm, _digest(key), key)


def local_signer(pem: bytes) -> Signer:
    """The local issuer's key. Raises `ConfigurationError` unless it is a public key of P-256."""
    key = _local_key(pem)
    return Signer(thumbprint(key), ES256, _digest(key), key)


def client_signer(pem: str) -> Signer:
    """The key of a client of the local issuer. Raises `InputError` unless it is a public key of P-256 or Ed25519."""
    fix = "make one: openssl genpkey -algorithm ed25519 -out key.pem; openssl pkey -in key.pem -pubout"
    try:
        key = load_pem_public_key(pem.encode())
    except ValueError as error:
        what = "that is no public key in PEM" + (", but a private one: keep it" if "PRIVATE KEY" in pem else "")
        raise InputError(what, where="public key", fix=fix) from error
    if isinstance(key, ed25519.Ed25519PublicKey):
        return Signer("", "EdDSA", _digest(key), key)
    if isinstance(key, ec.EllipticCurvePublicKey) and isinstance(key.curve, ec.SECP256R1):
        return Signer("", ES256, _digest(key), key)
    raise InputError("the key is of another kind than P-256 and Ed25519", where="public key", fix=fix)


def client_key(pem: str) -> str:
    """The same key, and nothing that stands around it in a file. Raises as `client_signer` does."""
    key: PublicKeyTypes = client_signer(pem).key
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def published(pem: bytes) -> dict[str, str]:
    """The same key as a JSON Web Key (RFC 7517). Raises as `local_signer` does."""
    key = _local_key(pem)
    x, y = _coordinates(key)
    return {"kty": "EC", "crv": "P-256", "x": x, "y": y, "kid": thumbprint(key), "alg": ES256, "use": "sig"}


def _local_key(pem: bytes) -> ec.EllipticCurvePublicKey:
    try:
        key = load_pem_public_key(pem)
    except ValueError as error:
        raise ConfigurationError("the issuer's public key is not readable", where="issuer key") from error
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
        raise ConfigurationError("the issuer's key is not of P-256, which ES256 needs", where="issuer key")
    return key


def thumbprint(key: ec.EllipticCurvePublicKey) -> str:
    """SHA-256 thumbprint of a P-256 key (RFC 7638): base64url, no padding."""
    x, y = _coordinates(key)
    canonical = f'{{"crv":"P-256","kty":"EC","x":"{x}","y":"{y}"}}'
    return base64url(hashlib.sha256(canonical.encode()).digest())


def _coordinates(key: ec.EllipticCurvePublicKey) -> tuple[str, str]:
    numbers = key.public_numbers()
    return base64url(numbers.x.to_bytes(32, "big")), base64url(numbers.y.to_bytes(32, "big"))


def _digest(key: PublicKeyTypes) -> str:
    return hashlib.sha256(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).hexdigest()
