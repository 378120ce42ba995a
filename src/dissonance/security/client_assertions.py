"""What a client of the local issuer signs to say that it is itself, in place of a secret (`private_key_jwt`; RFC 7523).

Who reads the store, a log or the request learns nothing that works again: the issuer has the public half of the key,
and an assertion is good once, for an hour at most, at one issuer. Its audience is that issuer and nobody else, never
the address of a route: an issuer of others could otherwise have a client sign what works here
(draft-ietf-oauth-rfc7523bis section 1).
"""

from __future__ import annotations

from hashlib import sha256
from typing import NamedTuple

from dissonance.security.identity import MICROSECONDS, SKEW_S
from dissonance.security.jwt_checks import Expected, Unchecked, checked_claims
from dissonance.security.refusals import Refusal, refused
from dissonance.security.signers import ES256, Signer

ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
ALGORITHMS = (ES256, "EdDSA")
TYPES = ("", "jwt", "client-authentication+jwt")
"""`typ` in the header: none, as RFC 7523 has it, or that of its successor. Never that of a token."""

LONGEST_S = 3600
"""Seconds before which it has to expire: so long its `jti` is remembered. Libraries give an hour (Authlib) or less."""

MAX_ID_CHARACTERS = 256
CLAIMS = ("iss", "sub", "aud", "exp", "jti")


class Assertion(NamedTuple):
    """One that is right, if nobody came with it before. `digest`: SHA-256 of whose it is and its `jti`, 32 bytes.
    `forget_at_us`: when it is refused as too old anyway, in microseconds since 1970 UTC."""

    digest: bytes
    forget_at_us: int


def checked_assertion(text: str, said: Unchecked, signer: Signer, issuer: str, now_us: int) -> Assertion:
    """`said`: what `text` says of itself, its issuer being the client whose key `signer` is. `issuer`: who we are.

    Raises `Unauthenticated`.
    """
    if said.header.get("alg") != signer.algorithm:
        raise refused(Refusal.ALGORITHM)
    if str(said.header.get("typ", "")).lower().removeprefix("application/") not in TYPES:
        raise refused(Refusal.TYPE)
    expected = Expected(issuer=said.issuer, audience=issuer, algorithms=ALGORITHMS, claims=CLAIMS)
    claims = checked_claims(text, signer, expected)
    if claims["sub"] != said.issuer:
        raise refused(Refusal.CLAIM, "sub")
    if claims["aud"] not in (issuer, [issuer]):
        raise refused(Refusal.AUDIENCE)
    if not 0 < len(claims["jti"]) <= MAX_ID_CHARACTERS:
        raise refused(Refusal.CLAIM, "jti")
    now_s = now_us // MICROSECONDS
    if now_s >= claims["exp"] + SKEW_S:
        raise refused(Refusal.EXPIRED)
    if claims["exp"] > now_s + LONGEST_S + SKEW_S:
        raise refused(Refusal.LIFETIME)
    if max(claims.get("iat", 0), claims.get("nbf", 0)) > now_s + SKEW_S:
        raise refused(Refusal.FUTURE)
    known = f"{said.issuer}\0{claims['jti']}".encode(errors="surrogatepass")
    return Assertion(sha256(known).digest(), (claims["exp"] + SKEW_S) * MICROSECONDS)
