"""The root key under a passphrase: scrypt (RFC 7914), then AES-256-GCM."""

from __future__ import annotations

import msgspec
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from dissonance.adapters.keys.documents import WHERE, Passphrase, read_document
from dissonance.errors import ConfigurationError, SealBroken
from dissonance.ports.clock import Randomness
from dissonance.security.envelope import KEY_BYTES, NONCE_BYTES, open_sealed, seal

COST_N = 2**17
"""With r = 8 one guess takes 128 MiB, and about half a second (OWASP Password Storage Cheat Sheet)."""

COST_R, COST_P = 8, 1
MOST_N = 2**20
SALT_BYTES = 16
LEAST_CHARACTERS = 12


class PassphraseGuard:
    """`ports.key_guard.KeyGuard`. `cost_n`: a power of 2; tests take less. Raises `ConfigurationError` for a passphrase
    under 12 characters."""

    def __init__(self, passphrase: str, randomness: Randomness, cost_n: int = COST_N) -> None:
        if len(passphrase) < LEAST_CHARACTERS:
            raise ConfigurationError(
                f"the passphrase has fewer than {LEAST_CHARACTERS} characters",
                where=WHERE,
                fix="take a longer one, such as six words drawn by dice",
            )
        self._passphrase = passphrase.encode()
        self._randomness = randomness
        self._cost_n = cost_n

    def protect(self, root_key: bytes) -> bytes:
        salt, nonce = self._randomness.token(SALT_BYTES), self._randomness.token(NONCE_BYTES)
        blank = Passphrase(self._cost_n, COST_R, COST_P, salt, b"")
        return msgspec.json.encode(
            msgspec.structs.replace(blank, sealed=seal(self._key(blank), nonce, root_key, _bound_to(blank)))
        )

    def open(self, document: bytes) -> bytes:
        found = read_document(document, Passphrase)
        if found.n > MOST_N or found.r > COST_R or found.p > COST_P:
            raise SealBroken(
                "the document of the root key asks for more memory than it may",
                where=WHERE,
                fix="restore the key folder from its backup",
            )
        try:
            return open_sealed(self._key(found), found.sealed, _bound_to(found))
        except (SealBroken, ValueError) as error:
            raise SealBroken(
                "the passphrase does not open the root key; nothing was changed",
                where=WHERE,
                fix="give the right one, or restore the key folder that belongs to it from its backup",
            ) from error

    def renew(self, document: bytes) -> bytes:
        """Under another salt."""
        return self.protect(self.open(document))

    def _key(self, document: Passphrase) -> bytes:
        cost = {"n": document.n, "r": document.r, "p": document.p}
        return Scrypt(salt=document.salt, length=KEY_BYTES, **cost).derive(self._passphrase)


def _bound_to(document: Passphrase) -> bytes:
    return f"dissonance-root-key|{document.n}|{document.r}|{document.p}|".encode() + document.salt
