"""How nats-py is told to speak TLS, or not to."""

from __future__ import annotations

import logging
import ssl
from typing import Any
from urllib.parse import urlsplit

from dissonance.errors import ConfigurationError

SECURE = "tls"
NOTHING_WRONG = "returning true from eof_received() has no effect when using ssl"
"""asyncio warns of this whenever the broker hangs up, since nats-py does not tell its stream that it is one of TLS."""


def secured(url: str, context: ssl.SSLContext | None) -> dict[str, Any]:
    """Options of `Client.connect` for this address; none for `nats://`.

    With `tls://` the handshake comes before the broker's first word, as its `handshake_first` wants it: whoever sits
    between cannot say that no TLS is needed. Raises `ConfigurationError` for `tls://` without a context.

    >>> secured("nats://host:4222", None)
    {}
    """
    if urlsplit(url).scheme != SECURE:
        return {}
    if context is None:
        raise ConfigurationError(
            "the broker is reached by TLS, and no certificates are known",
            where="NATS",
            fix="set DISSONANCE_TLS_CERTIFICATE, DISSONANCE_TLS_KEY and DISSONANCE_TLS_CA",
        )
    logging.getLogger("asyncio").addFilter(_is_of_use)
    return {"tls": context, "tls_handshake_first": True}


def _is_of_use(record: logging.LogRecord) -> bool:
    return record.msg != NOTHING_WRONG
