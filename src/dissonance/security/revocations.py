"""Credentials that are genuine and refused nevertheless: one token, or all that a holder had."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum

import msgspec

from dissonance.security.api_keys import ApiKey
from dissonance.security.identity import MAX_SKEW_S, MICROSECONDS, Identity

MAX_LIFETIME_S = 366 * 24 * 3600  # of any credential, in seconds: a year
REMEMBERED_US = (MAX_LIFETIME_S + 2 * MAX_SKEW_S) * MICROSECONDS
"""How long a revocation is remembered: then whatever it was about has expired, by whosever clock."""


class Revoked(StrEnum):
    TOKEN = "token"  # noqa: S105 - one token by its `jti`, or one API key by its id
    HOLDER = "holder"  # whatever was issued to a name before


class Revocation(msgspec.Struct, frozen=True, kw_only=True):
    """`what` with the id or name `value` is refused since `revoked_at_us`, microseconds since 1970 UTC."""

    what: Revoked
    value: str
    revoked_at_us: int
    by: str
    reason: str


class CredentialList:
    """What is revoked, and the API keys there are, as the store has it at one time. Does not change."""

    def __init__(self, revocations: Iterable[Revocation] = (), api_keys: Iterable[ApiKey] = ()) -> None:
        self._tokens: set[str] = set()
        self._holders: dict[str, int] = {}
        for each in revocations:
            if each.what is Revoked.TOKEN:
                self._tokens.add(each.value)
            else:
                self._holders[each.value] = max(each.revoked_at_us, self._holders.get(each.value, 0))
        self._api_keys = {key.key_id: key for key in api_keys}

    def refuses(self, identity: Identity) -> bool:
        """Of a holder whatever may have been issued before the revocation."""
        if identity.token_id in self._tokens:
            return True
        revoked_at_us = self._holders.get(identity.name)
        return revoked_at_us is not None and identity.issued_at_us <= revoked_at_us

    def api_key(self, key_id: str) -> ApiKey | None:
        return self._api_keys.get(key_id)
