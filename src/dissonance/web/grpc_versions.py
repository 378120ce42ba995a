"""gRPC speaks TLS 1.3 and nothing older."""

from __future__ import annotations

import os
import sys

from dissonance.errors import ConfigurationError

LIBRARY = "grpc"
CIPHERS_OF_OLDER_TLS = "GRPC_SSL_CIPHER_SUITES"
NEVER_CHOSEN = "ECDHE-PSK-CHACHA20-POLY1305"
"""It needs a key that both sides know beforehand, and there is none."""


def refuse_older_tls() -> None:
    """To be called before the library is loaded, which looks at its variables once.

    It cannot be told a least version, only the ciphers of TLS 1.2 and below; those of TLS 1.3 are others (RFC 8446,
    B.4). Raises `ConfigurationError` when the library is loaded already.
    """
    if LIBRARY in sys.modules:
        raise ConfigurationError(
            "gRPC was loaded before it was told to refuse TLS 1.2",
            where="DISSONANCE_GRPC_PORT",
            fix="run the roles in a process of their own: dissonance run",
        )
    os.putenv(CIPHERS_OF_OLDER_TLS, NEVER_CHOSEN)
