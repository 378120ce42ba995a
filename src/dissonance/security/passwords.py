"""Passwords of people: only what Argon2id made of them is kept (RFC 9106; NIST SP 800-63B-4 section 3.1.1).

>>> cheap = PasswordCost(memory_kib=64, passes=1, lanes=1)
>>> kept = hashed_password("correct horse battery staple", b"sixteen bytes ok", cheap)
>>> is_password(kept, "correct horse battery staple"), is_password(kept, "Correct horse battery staple")
(True, False)
"""

from __future__ import annotations

from base64 import b32encode
from typing import NamedTuple
from unicodedata import normalize

from cryptography.exceptions import InvalidKey
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

from dissonance.errors import InputError
from dissonance.security.identity import Randomness

SHORTEST = 15
"""Characters, where nothing but a password is asked for (SP 800-63B-4 section 3.1.1.2)."""

LONGEST = 256
SALT_BYTES = 16
HASH_BYTES = 32
GENERATED_BYTES = 15
"""120 bits, as 24 letters and digits that are hard to mistake."""


class PasswordCost(NamedTuple):
    """`memory_kib` in KiB."""

    memory_kib: int
    passes: int
    lanes: int


COST = PasswordCost(memory_kib=65_536, passes=3, lanes=4)
"""The second choice of RFC 9106 section 4: 64 MiB, some 0.3 s on the machine it was built on."""

NOBODYS = f"$argon2id$v=19$m={COST.memory_kib},t={COST.passes},p={COST.lanes}${'A' * 22}${'A' * 43}"
"""What no password gives, and takes as long to find out as for one that somebody has."""


def hashed_password(password: str, salt: bytes, cost: PasswordCost = COST) -> str:
    """In the PHC format, which says by itself how it was made. `salt`: 16 random bytes."""
    derivation = Argon2id(
        salt=salt, length=HASH_BYTES, iterations=cost.passes, lanes=cost.lanes, memory_cost=cost.memory_kib
    )
    return derivation.derive_phc_encoded(_bytes(password))


def is_password(kept: str, password: str) -> bool:
    """Takes as long as it took to make `kept`, whatever the answer."""
    try:
        Argon2id.verify_phc_encoded(_bytes(password), kept)
    except InvalidKey:
        return False
    return True


def require_password(password: str, name: str) -> None:
    """Raises `InputError` for one that could be guessed too easily. No mixture of characters is asked for."""
    if not SHORTEST <= len(password) <= LONGEST:
        raise InputError(
            f"a password has {SHORTEST} to {LONGEST} characters", where="password", fix="take a sentence, or --generate"
        )
    if len(set(password)) < 5 or (len(name) > 3 and name.lower() in password.lower()):
        raise InputError(
            "the password says one thing again and again, or the name", where="password", fix="take another sentence"
        )


def generated_password(randomness: Randomness) -> str:
    """
    >>> from dissonance.adapters.memory.clock import SeededRandomness
    >>> len(generated_password(SeededRandomness(1)).replace("-", ""))
    24
    """
    text = b32encode(randomness.token(GENERATED_BYTES)).decode().lower()
    return "-".join(text[start : start + 6] for start in range(0, len(text), 6))


def _bytes(password: str) -> bytes:
    """The same for the same letters, however a keyboard composes them (SP 800-63B-4 section 3.1.1.2)."""
    return normalize("NFC", password).encode(errors="surrogatepass")
