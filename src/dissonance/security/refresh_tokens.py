"""Refresh tokens: what a login goes on with when its access token expires (RFC 6749 section 6, RFC 9700 section 4.14).

All tokens that follow from one login are a family. Each refresh token is good once and replaced by another; one that
comes again was had by two, of whom nobody can say which is the right one, and ends the login, with all its tokens.

>>> id_in("dsr_" + "0" * 32 + "_" + "A" * 43)
'00000000000000000000000000000000'
"""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from dissonance.security.identity import MICROSECONDS, Randomness
from dissonance.security.secret_texts import SecretForm

PREFIX = "dsr_"
"""How one begins, so that scanners of repositories find one that leaked."""

ID_BYTES = 16
FORM = SecretForm(PREFIX, id_bytes=ID_BYTES)

UNUSED_S = 8 * 3600
"""Seconds after which a login that nobody uses is over: a working day."""

LOGIN_S = 7 * 24 * 3600
"""Seconds after which a login is over in any case, and the password is asked for again (NIST SP 800-63B-4 section 2.1.3
wants 30 days at most where it is all that is asked for)."""


class PersonLogin(msgspec.Struct, frozen=True, kw_only=True):
    """One login of somebody, for one client. `scope`: permissions that they had and the client asked for. Times in
    microseconds since 1970 UTC."""

    login_id: str
    client_id: str
    name: str
    scope: tuple[str, ...]
    tasks: tuple[str, ...]
    began_at_us: int
    ends_at_us: int


class RefreshToken(msgspec.Struct, frozen=True, kw_only=True):
    """`digest`: SHA-256 of it, 32 bytes; it is kept nowhere itself. `token_id`: `jti` of the access token that was
    given with it. Times in microseconds since 1970 UTC."""

    digest: bytes
    token_id: str
    issued_at_us: int
    expires_at_us: int


class KnownRefresh(NamedTuple):
    """`used`: it was replaced already. `revoked`: its login is, by whoever may revoke."""

    login: PersonLogin
    token: RefreshToken
    used: bool
    revoked: bool


def new_login_id(randomness: Randomness) -> str:
    return randomness.token(ID_BYTES).hex()


def new_text(login_id: str, randomness: Randomness) -> str:
    """A refresh token of a login: 256 random bits."""
    return FORM.text(login_id, randomness.token(SecretForm.SECRET_BYTES))


def id_in(text: str) -> str | None:
    """Of the login that a refresh token is of."""
    return FORM.id_in(text)


def expiry_us(login: PersonLogin, now_us: int) -> int:
    """Of a refresh token that is given now, in microseconds since 1970 UTC."""
    return min(now_us + UNUSED_S * MICROSECONDS, login.ends_at_us)
