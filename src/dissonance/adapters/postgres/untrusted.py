"""Why libpq did not talk to a server that did not show who it is, and how to mend it: it says so in words alone."""

from __future__ import annotations

from collections.abc import Mapping

NAME_IT = "name who vouches for its certificate: sslrootcert=FILE in the address, or DISSONANCE_TLS_CA"

WAYS: Mapping[str, str] = {
    "does not support SSL": "set ssl = on there, with ssl_cert_file and ssl_key_file",
    "root certificate file": NAME_IT,
    "certificate verify failed": f"give it a certificate that is valid now, and {NAME_IT}",
    "does not match host name": "use a name that its certificate is for, or give it one for this name",
    "protocol version": "let it speak TLS 1.3: ssl_max_protocol_version there, and OpenSSL 1.1.1 or later",
    "SSL error": "see its log; where it wants a certificate, name one: sslcert=FILE and sslkey=FILE in the address",
}
"""By words in libpq's error (`fe-connect.c`, `fe-secure-openssl.c`) or in OpenSSL's, quoted there; the first counts."""


def way_to_trust(said: str) -> str:
    """How to mend it; "" for an error that is none of trust.

    >>> way_to_trust("server does not support SSL, but SSL was required")
    'set ssl = on there, with ssl_cert_file and ssl_key_file'
    >>> way_to_trust("connection refused")
    ''
    """
    return next((way for words, way in WAYS.items() if words in said), "")
