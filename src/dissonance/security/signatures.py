"""Ed25519 signatures (RFC 8032) over bytes of a stated purpose.

The purpose is signed too, so that a signature made for one thing is worth nothing for another.
"""

from __future__ import annotations

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from dissonance.errors import ConfigurationError

SEED_BYTES = 32
PUBLIC_KEY_BYTES = 32
SIGNATURE_BYTES = 64


def seed_of(private_key_pem: bytes) -> bytes:
    """The 32 secret bytes of an Ed25519 private key in PKCS #8 PEM. Raises `ConfigurationError` for another key."""
    try:
        key = load_pem_private_key(private_key_pem, password=None)
    except ValueError as error:
        raise _not_a_key() from error
    if not isinstance(key, Ed25519PrivateKey):
        raise _not_a_key()
    return key.private_bytes_raw()


def public_key(seed: bytes) -> bytes:
    """The public key (32 bytes) of the private key `seed` (32 secret bytes)."""
    return Ed25519PrivateKey.from_private_bytes(seed).public_key().public_bytes_raw()


def sign(seed: bytes, purpose: str, message: bytes) -> bytes:
    """A signature, 64 bytes.

    >>> verifies(public_key(bytes(32)), sign(bytes(32), "greeting", b"hello"), "greeting", b"hello")
    True
    """
    return Ed25519PrivateKey.from_private_bytes(seed).sign(_with_purpose(purpose, message))


def verifies(public: bytes, signature: bytes, purpose: str, message: bytes) -> bool:
    """Whether `signature` was made over this purpose and message by the holder of `public`'s private key."""
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, _with_purpose(purpose, message))
    except InvalidSignature:
        return False
    return True


def _not_a_key() -> ConfigurationError:
    return ConfigurationError("not an Ed25519 private key", where="signing key", fix="restore the key folder")


def _with_purpose(purpose: str, message: bytes) -> bytes:
    name = purpose.encode()
    return len(name).to_bytes(2, "big") + name + message
