"""What a signed token must be before a claim of it is believed (RFC 7519, RFC 8725, RFC 9068 section 4).

The key decides on the algorithm, never the token: neither `none` nor HS256 with the public key as its secret gets as
far as a key. Keys that a token brings along (`jwk`, `jku`, `x5u`) are not looked at.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, Final

import jwt
import msgspec

from dissonance.security.refusals import Refusal, refused
from dissonance.security.signers import Signer

MAX_TOKEN_CHARACTERS = 8192
ACCESS_TOKEN: Final = "at+jwt"  # noqa: S105 - a name, not a secret
CLAIMS = ("iss", "sub", "aud", "exp", "iat", "jti", "client_id")
"""What RFC 9068 section 2.2 asks for."""

FEWER_CLAIMS = ("iss", "sub", "aud", "exp", "iat")
"""What is asked of tokens of another form."""

_BY_OUR_CLOCK = {"verify_exp": False, "verify_iat": False, "verify_nbf": False}


class Expected(msgspec.Struct, frozen=True, kw_only=True):
    """What tokens of one issuer are like. `token_type`: the header's `typ`; empty where the issuer writes none.
    `claims` must be there; `skew_s`: how far the issuer's clock may be from ours, in seconds."""

    issuer: str
    audience: str
    algorithms: tuple[str, ...]
    token_type: str = ACCESS_TOKEN
    claims: tuple[str, ...] = CLAIMS


class Unchecked(msgspec.Struct, frozen=True):
    """What a token says of itself; nothing of it is known to be true."""

    header: dict[str, Any]
    issuer: str


def unchecked(token: str) -> Unchecked:
    """To find out whom to ask about a token. Raises `Unauthenticated`."""
    if len(token) > MAX_TOKEN_CHARACTERS:
        raise refused(Refusal.TOO_LONG)
    try:
        said = jwt.decode_complete(token, options={"verify_signature": False})
    except (jwt.PyJWTError, ValueError, RecursionError) as error:
        raise refused(Refusal.MALFORMED) from error
    issuer = said["payload"].get("iss")
    if not isinstance(issuer, str):
        raise refused(Refusal.CLAIM, "iss")
    return Unchecked(said["header"], issuer)


def require_form(said: Unchecked, expected: Expected) -> None:
    """Algorithm and type, which need no key. Raises `Unauthenticated`."""
    if said.header.get("alg") not in expected.algorithms:
        raise refused(Refusal.ALGORITHM)
    kind = str(said.header.get("typ", "")).lower().removeprefix("application/")
    if kind != expected.token_type.lower():
        raise refused(Refusal.TYPE)


def signer_for(said: Unchecked, signers: Mapping[str, Signer]) -> Signer:
    """Raises `Unauthenticated` where there is none, or the token names another algorithm than its key's."""
    signer = signers.get(str(said.header.get("kid")))
    if signer is None:
        raise refused(Refusal.KEY)
    if said.header.get("alg") != signer.algorithm:
        raise refused(Refusal.ALGORITHM)
    return signer


def checked_claims(token: str, signer: Signer, expected: Expected) -> dict[str, Any]:
    """The claims of a token that `signer` signed for us. Times are not judged yet. Raises `Unauthenticated`."""
    try:
        claims = jwt.decode(
            token,
            signer.key,
            algorithms=[signer.algorithm],
            audience=expected.audience,
            issuer=expected.issuer,
            options={**_BY_OUR_CLOCK, "require": list(expected.claims)},  # type: ignore[arg-type]  # a TypedDict
        )
    except (jwt.PyJWTError, ValueError, RecursionError) as error:
        raise _refusal(error) from error
    _require_types(claims, expected.claims)
    return dict(claims)


def _refusal(error: Exception) -> Exception:
    if isinstance(error, jwt.MissingRequiredClaimError):
        return refused(Refusal.CLAIM, error.claim)
    for kind, reason in _REASONS.items():
        if isinstance(error, kind):
            return refused(reason)
    return refused(Refusal.MALFORMED)


_REASONS: dict[type[Exception], Refusal] = {
    jwt.InvalidAudienceError: Refusal.AUDIENCE,
    jwt.InvalidIssuerError: Refusal.ISSUER,
    jwt.InvalidSignatureError: Refusal.SIGNATURE,
    jwt.InvalidAlgorithmError: Refusal.ALGORITHM,
}


def _require_types(claims: Mapping[str, Any], required: Collection[str]) -> None:
    """A boolean is no time, though Python counts it as a number."""
    texts = [name for name in ("sub", "jti", "client_id") if name in claims or name in required]
    times = [name for name in ("exp", "iat", "nbf") if name in claims]
    for name in texts:
        if not isinstance(claims[name], str):
            raise refused(Refusal.CLAIM, name)
    for name in times:
        if type(claims[name]) is not int:
            raise refused(Refusal.CLAIM, name)
