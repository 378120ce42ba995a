"""Programs that get tokens from the local issuer by themselves, or for people who log in (RFC 6749 section 2).

A client of `dissonance token client create` has an id and a secret of 256 random bits, of which the SHA-256 is kept
(ADR 52 says why that is enough), or a key of which only it has the private half (`security.client_assertions`). It may
get tokens of its own grants with them, and where it has `redirects` it may send people to log in. The command line is a
client with neither, which can only do the latter.

>>> takes_redirect(COMMAND_LINE, "http://127.0.0.1:40123/"), takes_redirect(COMMAND_LINE, "http://localhost:40123/")
(True, False)
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from hmac import compare_digest
from typing import NamedTuple
from urllib.parse import urlsplit

import msgspec

from dissonance.errors import InputError
from dissonance.security.identity import Randomness
from dissonance.security.permissions import ANY_TASK
from dissonance.security.revocations import MAX_LIFETIME_S
from dissonance.security.secret_texts import base64url, text_digest

PREFIX = "dsc_"
"""How a secret begins, so that scanners of repositories find one that leaked."""

ID_BYTES = 4
SECRET_BYTES = 32
NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,31}")
_LOOPBACK = re.compile(r"(http://(?:127\.0\.0\.1|\[::1\]))(?::([0-9]{1,5}))?(/[^#]*)", re.ASCII)
MAX_REDIRECTS = 10


class OAuthClient(msgspec.Struct, frozen=True, kw_only=True):
    """`client_id`: its name, a dot, and eight hex digits; no person's name has a dot. `digest`: SHA-256 of the secret,
    32 bytes; empty of one that has none. `grants` and `tasks`: of its own tokens. `redirects`: where people may be sent
    back to. Times in microseconds since 1970 UTC. `public_key`: a PEM, of one that signs in place of a secret."""

    client_id: str
    digest: bytes
    grants: tuple[str, ...]
    tasks: tuple[str, ...]
    redirects: tuple[str, ...]
    created_at_us: int
    expires_at_us: int
    by: str
    public_key: str = ""

    @property
    def has_secret(self) -> bool:
        return bool(self.digest)

    @property
    def can_prove_itself(self) -> bool:
        """Nobody else can say that they are it (a confidential client: RFC 6749 section 2.1)."""
        return self.has_secret or bool(self.public_key)


COMMAND_LINE = OAuthClient(
    client_id="dissonance-command-line",
    digest=b"",
    grants=(),
    tasks=(ANY_TASK,),
    redirects=("http://127.0.0.1/", "http://[::1]/"),
    created_at_us=0,
    expires_at_us=2**62,
    by="",
)
"""`dissonance login`: nothing on somebody's computer can keep a secret from them (RFC 8252 section 8.5)."""


class NewClientSecret(NamedTuple):
    """`secret` is what its holder gets, and nobody can read again."""

    client_id: str
    secret: str
    digest: bytes


def new_client_id(name: str, randomness: Randomness) -> str:
    """Raises `InputError` for a name that is none."""
    if NAME.fullmatch(name) is None:
        raise InputError(
            f"'{name[:40]}' is no name of a client",
            where="name",
            fix="use up to 32 of a-z, 0-9 and -, as in night-batch",
        )
    return f"{name}.{randomness.token(ID_BYTES).hex()}"


def new_client_secret(name: str, randomness: Randomness) -> NewClientSecret:
    """Raises as `new_client_id` does."""
    client_id = new_client_id(name, randomness)
    secret = PREFIX + base64url(randomness.token(SECRET_BYTES))
    return NewClientSecret(client_id, secret, text_digest(secret))


def is_secret(client: OAuthClient, secret: str) -> bool:
    """In constant time; never of a client that has none."""
    return client.has_secret and compare_digest(client.digest, text_digest(secret))


def require_client(grants: Sequence[str], redirects: Sequence[str], lifetime_s: float) -> None:
    """Raises `InputError` for a client that could do nothing, lives too long, or sends people where it may not."""
    if not grants and not redirects:
        raise InputError("the client could do nothing", where="client", fix="give it --grant, --redirect, or both")
    if not 0 < lifetime_s <= MAX_LIFETIME_S:
        raise InputError(f"a lifetime of {lifetime_s} s is not in (0, {MAX_LIFETIME_S}]", where="lifetime")
    if len(redirects) > MAX_REDIRECTS:
        raise InputError(f"more than {MAX_REDIRECTS} addresses", where="redirect", fix="name fewer")
    for uri in redirects:
        if not _may_be_registered(uri):
            raise InputError(
                f"people cannot be sent back to '{uri[:80]}'",
                where="redirect",
                fix="give a whole https address without a fragment, or http://127.0.0.1/… of the same computer",
            )


def takes_redirect(client: OAuthClient, uri: str) -> bool:
    """Whether it is an address of the client, letter by letter; on this computer itself the port may be any
    (RFC 8252 section 7.3, RFC 9700 section 4.1.3)."""
    if uri in client.redirects:
        return True
    asked = _without_port(uri)
    return asked is not None and asked in map(_without_port, client.redirects)


def _may_be_registered(uri: str) -> bool:
    if not uri.isascii() or not uri.isprintable() or set(uri) & set(' #"\\'):
        return False
    if _without_port(uri) is not None:
        return True
    try:
        parts = urlsplit(uri)
        return parts.scheme == "https" and bool(parts.hostname) and "@" not in parts.netloc and parts.port != 0
    except ValueError:
        return False


def _without_port(uri: str) -> tuple[str, str] | None:
    """Of an address of this computer itself, by number (RFC 8252 section 8.3), what stands around its port."""
    match = _LOOPBACK.fullmatch(uri)
    if match is None or int(match.group(2) or 1) not in range(1, 65_536):
        return None
    return match.group(1), match.group(3)
