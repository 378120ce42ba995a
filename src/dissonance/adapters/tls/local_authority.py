"""The authority of one installation: certificates of its own engines and roles, made here and renewed in time (ADR 61).

```
keys/tls/authority.pem  key and certificate of the authority: whoever reads it can pretend to be any of us
keys/tls/ca.pem         its certificate alone: what clients trust
keys/tls/server.pem     key and certificate of listeners
keys/tls/client.pem     key and certificate of our services as clients of the engines
```

Every process of the installation may renew, one at a time. Without the folder, all of it is made anew.
"""

from __future__ import annotations

import platform
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from cryptography.x509 import ObjectIdentifier

from dissonance.adapters.embedded.files import write_atomically
from dissonance.adapters.locked import locked
from dissonance.errors import DataFolderError
from dissonance.ports.clock import Clock, Randomness
from dissonance.security.certificates import (
    CLIENT,
    SERVER,
    addresses_of,
    certificate_of,
    is_due,
    is_issued_by,
    issue,
    new_authority,
    validity_of,
)
from dissonance.security.tls import Pair, Tls

T = TypeVar("T")

FOLDER = "tls"
COMMON_NAME = "dissonance"
AUTHORITY, CA, SERVER_FILE, CLIENT_FILE, LOCK = "authority.pem", "ca.pem", "server.pem", "client.pem", "lock"
ALWAYS = ("localhost", "127.0.0.1", "::1")
WILDCARDS = frozenset({"", "0.0.0.0", "::"})  # noqa: S104 - not listened on: left out of certificates


class LocalAuthority:
    """`keys_folder` is there already. `names`: of this machine in certificates of listeners, besides the usual ones."""

    def __init__(self, keys_folder: Path, clock: Clock, randomness: Randomness, names: Sequence[str] = ()) -> None:
        self._folder = keys_folder / FOLDER
        self._clock = clock
        self._token = randomness.token
        wanted = (*ALWAYS, platform.node(), *names)
        self._names = frozenset(name for name in wanted if name not in WILDCARDS and name.isascii())

    @property
    def tls(self) -> Tls:
        """Where the files are, or will be."""
        return tls_in(self._folder)

    def renew(self) -> bool:
        """Make what is missing, too old, or of another authority or name. Whether there was any.

        Raises `DataFolderError`.
        """
        try:
            self._folder.mkdir(mode=0o700, exist_ok=True)
            with locked(self._folder / LOCK):
                return self._renew()
        except OSError as error:
            raise DataFolderError(
                f"certificates cannot be kept there: {error.strerror or error}",
                where=str(error.filename or self._folder),
                fix="give this user the right to read and write it, or name files with DISSONANCE_TLS_CERTIFICATE, "
                "DISSONANCE_TLS_KEY and DISSONANCE_TLS_CA",
            ) from error

    def _renew(self) -> bool:
        now_us = self._clock.now_us()
        authority = self._obtain_authority(now_us)

        def is_good(pem: bytes) -> bool:
            return not is_due(pem, now_us) and is_issued_by(pem, authority)

        server, client = self._folder / SERVER_FILE, self._folder / CLIENT_FILE
        # What it was valid for before stays: another process of ours may listen at that address.
        names = self._names | _of(server, addresses_of, frozenset[str]())
        made = False
        if not _of(server, lambda pem: is_good(pem) and names == addresses_of(pem), False):
            self._issue(server, authority, sorted(names), SERVER, now_us)
            made = True
        if not _of(client, is_good, False):
            self._issue(client, authority, (), CLIENT, now_us)
            made = True
        return made

    def _obtain_authority(self, now_us: int) -> bytes:
        path = self._folder / AUTHORITY
        if not _of(path, lambda pem: now_us < validity_of(pem)[1], False):
            write_atomically(path, new_authority(now_us, self._token))
        authority = path.read_bytes()
        ca = certificate_of(authority)
        if not _of(self._folder / CA, lambda pem: pem == ca, False):
            write_atomically(self._folder / CA, ca)
        return authority

    def _issue(
        self, path: Path, authority: bytes, names: Sequence[str], purpose: ObjectIdentifier, now_us: int
    ) -> None:
        pem = issue(authority, COMMON_NAME, names, purpose, now_us=now_us, token=self._token)
        write_atomically(path, pem)


def tls_in(folder: Path) -> Tls:
    """
    >>> tls_in(Path("/k/tls")).authority
    '/k/tls/ca.pem'
    """
    server, client = str(folder / SERVER_FILE), str(folder / CLIENT_FILE)
    return Tls(str(folder / CA), Pair(server, server), Pair(client, client))


def _of(path: Path, said: Callable[[bytes], T], otherwise: T) -> T:
    """What is said of the certificate in a file; `otherwise` when there is none."""
    try:
        return said(path.read_bytes())
    except (FileNotFoundError, ValueError):
        return otherwise
