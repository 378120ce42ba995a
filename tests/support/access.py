"""A local issuer, its verifier and forgeries, all from fixed seeds."""

from __future__ import annotations

from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from dissonance.adapters.memory.clock import FixedClock, SeededRandomness
from dissonance.security.tokens import LocalIssuer, TokenIssuer, public_key_pem
from dissonance.security.verifier import TokenVerifier
from dissonance.web.preparing import PreparingVerifier

ISSUER, AUDIENCE = "dissonance-local", "dissonance"


def private_key_pem(seed: int = 1) -> bytes:
    key = ec.derive_private_key(10**40 + seed, ec.SECP256R1())
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


class LocalAccess:
    """Issuer and verifier of one key, on one clock."""

    def __init__(self, clock: FixedClock | None = None, seed: int = 1) -> None:
        self.clock = clock or FixedClock()
        self.private_pem = private_key_pem(seed)
        self.public_pem = public_key_pem(self.private_pem)
        self.issuer = self.other_issuer()
        self.tokens = self.fresh_tokens()
        self.verifier = PreparingVerifier(self.tokens, {})

    def fresh_tokens(self) -> TokenVerifier:
        """A verifier that has seen nothing yet."""
        return TokenVerifier([LocalIssuer(self.public_pem, issuer=ISSUER, audience=AUDIENCE)], clock=self.clock)

    def other_issuer(self, issuer: str = ISSUER, audience: str = AUDIENCE, pem: bytes | None = None) -> TokenIssuer:
        return TokenIssuer(
            pem or self.private_pem,
            issuer=issuer,
            audience=audience,
            clock=self.clock,
            randomness=SeededRandomness(7),
        )

    def token(self, grant: str = "client", tasks: tuple[str, ...] = ("*",), lifetime_s: float = 3600.0) -> str:
        return self.issuer.issue(grant, subject="tester", tasks=tasks, lifetime_s=lifetime_s)

    def header(self, grant: str = "client", tasks: tuple[str, ...] = ("*",)) -> dict[str, str]:
        return {"authorization": f"Bearer {self.token(grant, tasks)}"}

    def forged(
        self, claims: dict[str, Any] | None = None, header: dict[str, Any] | None = None, without: str | None = None
    ) -> str:
        """A token that is signed with the right key but says something else."""
        genuine = self.token()
        said = {**jwt.decode(genuine, options={"verify_signature": False}), **(claims or {})}
        if without is not None:
            del said[without]
        headers = {**jwt.get_unverified_header(genuine), **(header or {})}
        return jwt.encode(said, self.private_pem, algorithm="ES256", headers=headers)
