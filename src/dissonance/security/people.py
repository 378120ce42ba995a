"""People who log in at the local issuer, and what they get for it: a code, for a minute (RFC 6749 section 4.1)."""

from __future__ import annotations

import re

import msgspec

from dissonance.errors import InputError

NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,31}")
CODE_S = 60
"""Seconds in which a code can be used (RFC 6749 section 4.1.2: ten minutes at most)."""


class Person(msgspec.Struct, frozen=True, kw_only=True):
    """`password`: what Argon2id made of it (`security.passwords`). `grants`: names, looked up at each login. `tasks`:
    names, or `*`. Times in microseconds since 1970 UTC. `by`: who added them."""

    name: str
    password: str
    grants: tuple[str, ...]
    tasks: tuple[str, ...]
    created_at_us: int
    by: str


class LoginCode(msgspec.Struct, frozen=True, kw_only=True):
    """What a code stands for. `digest`: SHA-256 of it, 32 bytes; it is kept nowhere itself. `challenge`: of PKCE, by
    S256 (RFC 7636). `scope`: permissions. `token_id`: `jti` of the token that it will be changed for, so that this can
    be revoked when somebody comes with the code again."""

    digest: bytes
    client_id: str
    redirect: str
    challenge: str
    name: str
    scope: tuple[str, ...]
    tasks: tuple[str, ...]
    token_id: str
    expires_at_us: int


def require_name(name: str) -> None:
    """Raises `InputError`. No name has a dot, as clients do, or a slash, as people of other issuers do."""
    if NAME.fullmatch(name) is None:
        raise InputError(
            f"'{name[:40]}' is no name of a person", where="name", fix="use up to 32 of a-z, 0-9, - and _, as in ada"
        )
