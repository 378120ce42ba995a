"""Signatures hold for their message, key and purpose, and for nothing else."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from dissonance.security.signatures import PUBLIC_KEY_BYTES, SIGNATURE_BYTES, public_key, sign, verifies

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
