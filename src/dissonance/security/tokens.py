"""Access tokens: ES256 JWTs in the form of RFC 9068, from a local issuer.

Header: `typ` is `at+jwt`, `alg` is ES256, `kid` is the thumbprint of the key (RFC 7638). Claims: `iss`, `sub`, `aud`,
`exp`, `iat`, `jti`, `client_id`, `scope` (permissions, separated by spaces) and `tasks` (names, or `["*"]`).
Times are judged by the clock that is passed in, never by the system's.
"""

from __future__ import annotations

import hashlib
from base64 import urlsafe_b64encode
from collections import OrderedDict
from collections.abc import Sequence
from typing import Any, Protocol

import jwt
import msgspec
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)

from dissonance.errors import ConfigurationError, InputError, Unauthenticated
from dissonance.security.grants import Grants, default_grants, permissions_of
from dissonance.security.permissions import ANY_TASK, OF_THE_SYSTEM, Permission

ALGORITHM = "ES256"
TOKEN_TYPE = "at+jwt"  # noqa: S105 - a name, not a secret
CLAIMS = ("iss", "sub", "aud", "exp", "iat", "jti", "client_id", "scope", "tasks")
SKEW_S = 60  # how far ahead the issuer's clock may be, in seconds
MAX_LIFETIME_S = 366 * 24 * 3600  # a year, in seconds
MAX_TOKEN_CHARACTERS = 8192
CACHED_TOKENS = 4096
MICROSECONDS = 1_000_000

_FIX = "make a new one: dissonance token create"
_CHECKS = {"verify_exp": False, "verify_iat": False, "verify_nbf": False, "require": list(CLAIMS)}
_PERMISSIONS = {permission.value: permission for permission in Permission}


class Clock(Protocol):
    """`ports.clock.Clock`, restated: `security` lies below the ports."""

    def now_us(self) -> int: ...


class Randomness(Protocol):
    """`ports.clock.Randomness`, restated."""

    def token(self, size: int) -> bytes: ...


class Identity(msgspec.Struct, frozen=True):
    """Who asks, and what they may do until `expires_at_us` (microseconds since 1970)."""

    name: str
    permissions: frozenset[Permission]
    tasks: frozenset[str]
    expires_at_us: int

    def may(self, permission: Permission) -> bool:
        """Whether it has the permission; one `OF_THE_SYSTEM` only while it is for every task."""
        return permission in self.permissions and (permission not in OF_THE_SYSTEM or ANY_TASK in self.tasks)

    def may_touch(self, task: str) -> bool:
        return task in self.tasks or ANY_TASK in self.tasks


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
        scope = permissions_of(names, self._grants)
        if not tasks or not subject:
            raise InputError("a token names a holder and at least one task", where="token", fix="name a task, or *")
        if not 0 < lifetime_s <= MAX_LIFETIME_S:
            raise InputError(f"a lifetime of {lifetime_s} s is not in (0, {MAX_LIFETIME_S}]", where="lifetime")
        now_s = self._clock.now_us() // MICROSECONDS
        claims = {
            "iss": self._issuer,
            "sub": subject,
            "client_id": subject,
            "aud": self._audience,
            "iat": now_s,
            "exp": now_s + max(1, round(lifetime_s)),
            "jti": self._randomness.token(16).hex(),
            "scope": " ".join(sorted(scope)),
            "tasks": list(tasks),
        }
        return jwt.encode(claims, self._key, algorithm=ALGORITHM, headers={"typ": TOKEN_TYPE, "kid": self._kid})


class TokenVerifier:
    """Checks tokens. What was verified is remembered by the token's SHA-256 until it expires.

    For one event loop; not for several threads at once.
    """

    def __init__(self, public_key_pem: bytes, *, issuer: str, audience: str, clock: Clock) -> None:
        self._key = _public_key(public_key_pem)
        self._kid = thumbprint(self._key)
        self._issuer = issuer
        self._audience = audience
        self._clock = clock
        self._verified: OrderedDict[bytes, Identity] = OrderedDict()

    def verify(self, token: str) -> Identity:
        """Raises `Unauthenticated` unless the token is ours, whole, meant for us, and in its time."""
        digest = hashlib.sha256(token.encode(errors="surrogatepass")).digest()
        identity = self._verified.get(digest)
        if identity is None:
            identity = self._identity(token)
            self._verified[digest] = identity
            if len(self._verified) > CACHED_TOKENS:
                self._verified.popitem(last=False)
        else:
            self._verified.move_to_end(digest)
        try:
            self.verify_again(identity)
        except Unauthenticated:
            del self._verified[digest]
            raise
        return identity

    def verify_again(self, identity: Identity) -> None:
        """Of a token that was verified here before: raises `Unauthenticated` when it has expired since."""
        if identity.expires_at_us <= self._clock.now_us():
            raise Unauthenticated("the token has expired", where="exp", fix=_FIX)

    def _identity(self, token: str) -> Identity:
        claims = self._checked_claims(token)
        if claims["iat"] > self._clock.now_us() // MICROSECONDS + SKEW_S:
            raise Unauthenticated("the token was issued in the future", where="iat", fix="set the clocks right")
        return Identity(
            name=claims["sub"],
            permissions=frozenset(_PERMISSIONS[name] for name in claims["scope"].split() if name in _PERMISSIONS),
            tasks=frozenset(claims["tasks"]),
            expires_at_us=claims["exp"] * MICROSECONDS,
        )

    def _checked_claims(self, token: str) -> dict[str, Any]:
        if len(token) > MAX_TOKEN_CHARACTERS:
            raise Unauthenticated("the token is too long to be one of ours", where="token", fix=_FIX)
        try:
            decoded = jwt.decode_complete(
                token,
                self._key,
                algorithms=[ALGORITHM],
                audience=self._audience,
                issuer=self._issuer,
                options=_CHECKS,  # type: ignore[arg-type]  # PyJWT's TypedDict does not take a plain dict
            )
        except (jwt.PyJWTError, ValueError, RecursionError) as error:
            raise Unauthenticated(_reason(error), where="token", fix=_FIX) from error
        header, claims = decoded["header"], decoded["payload"]
        if str(header.get("typ", "")).lower() not in (TOKEN_TYPE, f"application/{TOKEN_TYPE}"):
            raise Unauthenticated("the token is not an access token", where="typ", fix=_FIX)
        if header.get("kid") != self._kid:
            raise Unauthenticated("the token is of another key", where="kid", fix=_FIX)
        _check_types(claims)
        return dict(claims)


def public_key_pem(private_key_pem: bytes) -> bytes:
    """What a `TokenVerifier` needs, from what the `TokenIssuer` has."""
    public = _private_key(private_key_pem).public_key()
    return public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def thumbprint(key: ec.EllipticCurvePublicKey) -> str:
    """SHA-256 thumbprint of a P-256 key (RFC 7638): base64url, no padding."""
    numbers = key.public_numbers()
    x, y = (_base64url(number.to_bytes(32, "big")) for number in (numbers.x, numbers.y))
    canonical = f'{{"crv":"P-256","kty":"EC","x":"{x}","y":"{y}"}}'
    return _base64url(hashlib.sha256(canonical.encode()).digest())


def _base64url(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()


def _reason(error: Exception) -> str:
    """What is wrong with the token, in words that tell a forger nothing new."""
    if isinstance(error, jwt.InvalidAudienceError):
        return "the token is for another audience"
    if isinstance(error, jwt.InvalidIssuerError):
        return "the token is of another issuer"
    if isinstance(error, jwt.MissingRequiredClaimError):
        return f"the token lacks the claim '{error.claim}'"
    if isinstance(error, jwt.InvalidSignatureError | jwt.InvalidAlgorithmError):
        return "the token is not signed by this issuer"
    return "the token is not a valid JWT"


def _check_types(claims: dict[str, Any]) -> None:
    """RFC 9068 leaves `tasks` to us: a list of names. A boolean is no time, though Python counts it as a number."""
    texts = all(isinstance(claims[name], str) for name in ("sub", "jti", "client_id", "scope"))
    times = all(type(claims[name]) is int for name in ("exp", "iat"))
    tasks = isinstance(claims["tasks"], list) and all(isinstance(task, str) for task in claims["tasks"])
    if not (texts and times and tasks):
        raise Unauthenticated("a claim of the token has the wrong type", where="token", fix=_FIX)


def _private_key(pem: bytes) -> ec.EllipticCurvePrivateKey:
    try:
        key = load_pem_private_key(pem, password=None)
    except (ValueError, TypeError) as error:
        raise ConfigurationError("the issuer's key is not a readable private key", where="issuer key") from error
    if not isinstance(key, ec.EllipticCurvePrivateKey) or not isinstance(key.curve, ec.SECP256R1):
        raise ConfigurationError("the issuer's key is not of P-256, which ES256 needs", where="issuer key")
    return key


def _public_key(pem: bytes) -> ec.EllipticCurvePublicKey:
    try:
        key = load_pem_public_key(pem)
    except ValueError as error:
        raise ConfigurationError("the issuer's public key is not readable", where="issuer key") from error
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
        raise ConfigurationError("the issuer's key is not of P-256, which ES256 needs", where="issuer key")
    return key
