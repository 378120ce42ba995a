"""Certificates that are renewed under a process that goes on."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from dissonance.security.tls import Tls, client_context, load_authority, load_pair, server_context

LOOK_EVERY_S = 30.0
"""Seconds between two looks at files of certificates; far fewer than a renewed one may be late."""

Stamp = tuple[int, int, int]


class LiveTls:
    """`server` and `client` stay the same contexts; `refresh` puts new certificates into them.

    Connections that are open keep theirs, new ones begin with the new (RFC 8446 has no renegotiation). `renew` is
    called before each look at the files, and may replace them. Raises `ConfigurationError` when they cannot be used.
    """

    def __init__(self, tls: Tls, renew: Callable[[], object] = lambda: None) -> None:
        self._renew = renew
        renew()
        self.tls = tls
        self.server = server_context(tls)
        self.client = client_context(tls)
        self.server_pem = tls.server.read()
        self._seen = self._stamps()

    def refresh(self) -> bool:
        """Whether certificates are others than before.

        Raises `ConfigurationError` when new files cannot be used, and whatever `renew` does: the old ones stay, and the
        next call tries again.
        """
        self._renew()
        stamps = self._stamps()
        if stamps == self._seen:
            return False
        # A context that met a key which does not fit its certificate has lost both: the live ones never see such files.
        server_context(self.tls)
        client_context(self.tls)
        self.server_pem = self.tls.server.read()
        load_pair(self.server, self.tls.server)
        load_pair(self.client, self.tls.client)
        load_authority(self.client, self.tls.authority)
        self._seen = stamps
        return True

    def _stamps(self) -> list[Stamp | None]:
        tls = self.tls
        files = (tls.authority, tls.server.certificate, tls.server.key, tls.client.certificate, tls.client.key)
        return [_stamp(Path(file)) for file in files]


def _stamp(path: Path) -> Stamp | None:
    """What tells a replaced file, also behind a link, from the one before; None while there is none."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_size
