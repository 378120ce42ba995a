"""Signatures hold for their message, key and purpose, and for nothing else."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from hypothesis import given
from hypothesis import strategies as st

from dissonance.errors import ConfigurationError
from dissonance.security.signatures import PUBLIC_KEY_BYTES, SIGNATURE_BYTES, public_key, seed_of, sign, verifies

SEED, OTHER = b"\x01" * 32, b"\x02" * 32
PUBLIC = public_key(SEED)


@given(st.binary(max_size=100))
def test_a_signature_holds_for_its_message(message: bytes) -> None:
    signature = sign(SEED, "test", message)
    assert len(signature) == SIGNATURE_BYTES
    assert verifies(PUBLIC, signature, "test", message)
    assert not verifies(PUBLIC, signature, "test", message + b"!")


def test_a_signature_of_another_key_does_not_hold() -> None:
    assert len(PUBLIC) == PUBLIC_KEY_BYTES
    assert not verifies(public_key(OTHER), sign(SEED, "test", b"m"), "test", b"m")


def test_a_signature_for_another_purpose_does_not_hold() -> None:
    signature = sign(SEED, "test", b"message")
    assert not verifies(PUBLIC, signature, "tests", b"message")
    assert not verifies(PUBLIC, signature, "testm", b"essage")


def test_a_changed_or_shortened_signature_does_not_hold() -> None:
    signature = sign(SEED, "test", b"m")
    for position in range(SIGNATURE_BYTES):
        changed = bytearray(signature)
        changed[position] ^= 1
        assert not verifies(PUBLIC, bytes(changed), "test", b"m")
    assert not verifies(PUBLIC, signature[:-1], "test", b"m")
    assert not verifies(PUBLIC, b"", "test", b"m")


PKCS8 = (Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def test_the_seed_comes_back_from_its_file() -> None:
    assert seed_of(Ed25519PrivateKey.from_private_bytes(SEED).private_bytes(*PKCS8)) == SEED


@pytest.mark.parametrize("pem", [b"", b"no key", generate_private_key(SECP256R1()).private_bytes(*PKCS8)])
def test_a_file_that_holds_no_ed25519_key_is_refused(pem: bytes) -> None:
    with pytest.raises(ConfigurationError):
        seed_of(pem)
