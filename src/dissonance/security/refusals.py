"""Why a credential was refused, for the log and the audit trail; whoever sent it learns only that it was."""

from __future__ import annotations

from enum import StrEnum

from dissonance.errors import Unauthenticated


class Refusal(StrEnum):
    """Stored and counted by: never rename one."""

    MISSING = "missing"
    HEADER = "header"  # not one bearer token
    MALFORMED = "malformed"
    TOO_LONG = "too_long"
    ALGORITHM = "algorithm"  # none, HS256, or any other that is not the key's own
    TYPE = "type"  # no access token (RFC 9068 section 4)
    ISSUER = "issuer"
    KEY = "key"  # the issuer publishes no key of this `kid`
    SIGNATURE = "signature"
    AUDIENCE = "audience"
    CLAIM = "claim"  # missing, or of the wrong type
    EXPIRED = "expired"
    FUTURE = "future"  # issued, or valid, only later
    LIFETIME = "lifetime"  # longer than a revocation is remembered
    REVOKED = "revoked"
    API_KEY = "api_key"  # no such key, or another secret


def refused(reason: Refusal, detail: str = "") -> Unauthenticated:
    """The same words for every reason.

    >>> refused(Refusal.CLAIM, "jti").reason, refused(Refusal.EXPIRED).reason
    ('claim: jti', 'expired')
    """
    return Unauthenticated(
        "what came with the request opens nothing here",
        where="header Authorization",
        fix="get a new token: from your issuer, with dissonance login, or with dissonance token create",
        reason=f"{reason}: {detail}" if detail else reason.value,
    )
