"""Access tokens of the local issuer: ES256 JWTs in the form of RFC 9068.

Header: `typ` is `at+jwt`, `alg` is ES256, `kid` is the thumbprint of the key (RFC 7638). Claims: `iss`, `sub`, `aud`,
`exp`, `iat`, `jti`, `client_id`, `scope` (permissions, separated by spaces) and `tasks` (names, or `["*"]`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

from dissonance.errors import ConfigurationError, InputError
from dissonance.security.grants import Grants, default_grants, permissions_of
from dissonance.security.identity import MICROSECONDS, Clock, Randomness
from dissonance.security.issuers import Holder
from dissonance.security.jwt_checks import ACCESS_TOKEN, CLAIMS, Expected
from dissonance.security.permissions import Permission
from dissonance.security.refusals import Refusal, refused
from dissonance.security.revocations import MAX_LIFETIME_S
from dissonance.security.signers import ES256, local_signer, thumbprint

_PERMISSIONS = {permission.value: permission for permission in Permission}


class TokenIssuer:
    """Makes tokens. `private_key_pem`: an unencrypted P-256 key in PKCS #8. `grants`: None for those that ship."""

    def __init__(
        self,
        private_key_pem: bytes,
        *,
        issuer: str,
        audience: str,
        clock: Clock,
        randomness: Randomness,
        grants: Grants | None = None,
    ) -> None:
        self._key = _private_key(private_key_pem)
        self._kid = thumbprint(self._key.public_key())
        self._issuer = issuer
        self._audience = audience
        self._clock = clock
        self._randomness = randomness
        self._grants = default_grants() if grants is None else grants

    def issue(self, grant: str | Sequence[str], *, subject: str, tasks: Sequence[str], lifetime_s: float) -> str:
        """A token with the permissions of one or more grants (`security.grants`).

        `tasks`: names, or `["*"]` for all. `lifetime_s` in (0, `MAX_LIFETIME_S`] seconds.
        Raises `InputError` for an unknown grant, no task, or a lifetime out of range.
        """
        names = [grant] if isinstance(grant, str) else list(grant)
        return self.issue_scope(
            permissions_of(names, self._grants), subject=subject, tasks=tasks, lifetime_s=lifetime_s
        )

    def issue_scope(
        self,
        scope: Iterable[str],
        *,
        subject: str,
        tasks: Sequence[str],
        lifetime_s: float,
        client_id: str = "",
        token_id: str = "",
    ) -> str:
        """As `issue`, with these permissions. `client_id`: who got it, where that is not whom it is about. `token_id`:
        its `jti`, where that was said before."""
        require_usable(subject, tasks, lifetime_s)
        now_s = self._clock.now_us() // MICROSECONDS
        claims = {
            "iss": self._issuer,
            "sub": subject,
            "client_id": client_id or subject,
            "aud": self._audience,
            "iat": now_s,
            "exp": now_s + max(1, round(lifetime_s)),
            "jti": token_id or new_token_id(self._randomness),
            "scope": " ".join(sorted(scope)),
            "tasks": list(tasks),
        }
        return jwt.encode(claims, self._key, algorithm=ES256, headers={"typ": ACCESS_TOKEN, "kid": self._kid})


class LocalIssuer:
    """`security.verifier.Issuer` of this installation: its tokens carry permissions and tasks themselves."""

    skew_us = 0

    def __init__(self, public_key_pem: bytes, *, issuer: str, audience: str) -> None:
        signer = local_signer(public_key_pem)
        self.signers = {signer.kid: signer}
        self.expected = Expected(
            issuer=issuer, audience=audience, algorithms=(ES256,), claims=(*CLAIMS, "scope", "tasks")
        )

    def holder(self, claims: Mapping[str, Any]) -> Holder:
        """RFC 9068 leaves `tasks` to us: a list of names."""
        scope, tasks = claims["scope"], claims["tasks"]
        if not isinstance(scope, str):
            raise refused(Refusal.CLAIM, "scope")
        if not isinstance(tasks, list) or not all(isinstance(task, str) for task in tasks):
            raise refused(Refusal.CLAIM, "tasks")
        permissions = frozenset(_PERMISSIONS[name] for name in scope.split() if name in _PERMISSIONS)
        return Holder(claims["sub"], permissions, frozenset(tasks))


def new_token_id(randomness: Randomness) -> str:
    """A `jti`: 128 random bits."""
    return randomness.token(16).hex()


def require_usable(name: str, tasks: Sequence[str], lifetime_s: float) -> None:
    """Raises `InputError` for a credential without holder or task, or of a lifetime out of range."""
    if not tasks or not name:
        raise InputError("a token names a holder and at least one task", where="token", fix="name a task, or *")
    if not 0 < lifetime_s <= MAX_LIFETIME_S:
        raise InputError(f"a lifetime of {lifetime_s} s is not in (0, {MAX_LIFETIME_S}]", where="lifetime")


def public_key_pem(private_key_pem: bytes) -> bytes:
    """What a `LocalIssuer` needs, from what the `TokenIssuer` has."""
    public = _private_key(private_key_pem).public_key()
    return public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def _private_key(pem: bytes) -> ec.EllipticCurvePrivateKey:
    try:
        key = load_pem_private_key(pem, password=None)
    except (ValueError, TypeError) as error:
        raise ConfigurationError("the issuer's key is not a readable private key", where="issuer key") from error
    if not isinstance(key, ec.EllipticCurvePrivateKey) or not isinstance(key.curve, ec.SECP256R1):
        raise ConfigurationError("the issuer's key is not of P-256, which ES256 needs", where="issuer key")
    return key
