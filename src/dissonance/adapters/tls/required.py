"""Addresses of engines that are run by others: TLS to each, or a setting that says that one may do without (ADR 62)."""

from __future__ import annotations

from collections.abc import Collection
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

import msgspec

from dissonance.adapters.embedded.addresses import EngineAddresses
from dissonance.errors import ConfigurationError
from dissonance.security.issuers import is_this_machine
from dissonance.security.tls import Tls, Wire

VERIFIED = "verify-full"
"""The one `sslmode` in which libpq checks both who signed and for which name (PostgreSQL, "SSL Support")."""


def secured_addresses(given: EngineAddresses, plain: Collection[Wire]) -> EngineAddresses:
    """`given`, with what makes libpq check whom it talks to. Empty addresses are those of embedded engines.

    Raises `ConfigurationError` for an address without TLS that is not among `plain`.
    """
    _require(Wire.NATS, given.nats_url, "tls", plain)
    _require(Wire.MLFLOW, given.mlflow_url, "https", plain)
    return msgspec.structs.replace(
        given,
        database_url=secured_database(given.database_url, given.tls, plain),
        keys_database_url=secured_database(given.keys_database_url, given.tls, plain),
    )


def secured_database(url: str, tls: Tls | None, plain: Collection[Wire]) -> str:
    """A unix socket needs nothing (ADR 11).

    >>> secured_database("postgresql:///dissonance?host=/run/postgresql", None, ())
    'postgresql:///dissonance?host=/run/postgresql'
    >>> secured_database("postgresql://u@db/dissonance", None, ())
    'postgresql://u@db/dissonance?sslmode=verify-full&ssl_min_protocol_version=TLSv1.3'
    """
    parts = urlsplit(url)
    options = dict(parse_qsl(parts.query))
    if not is_remote(url) or (Wire.DATABASE in plain and options.get("sslmode") != VERIFIED):
        return url
    if options.setdefault("sslmode", VERIFIED) != VERIFIED:
        raise _refused(Wire.DATABASE, f"sslmode={options['sslmode']}", f"sslmode={VERIFIED}")
    options.setdefault("ssl_min_protocol_version", "TLSv1.3")
    if tls is not None:
        options.setdefault("sslrootcert", tls.authority)
    return urlunsplit(parts._replace(query=urlencode(options, safe="/")))


def is_remote(url: str) -> bool:
    """Whether a database is reached over a network, be it the one inside this machine.

    >>> [is_remote(url) for url in ("", "postgresql:///d?host=/run", "postgresql://127.0.0.1/d", "postgresql:///d?host=h")]
    [False, False, True, True]
    """
    parts = urlsplit(url)
    host = dict(parse_qsl(parts.query)).get("host") or parts.netloc.rpartition("@")[2]
    return bool(host) and not host.startswith(("/", "%2F", "%2f"))


def require_safe_for_tokens(url: str) -> None:
    """A token that somebody between has read can be used. Raises `ConfigurationError` but for TLS, or this machine.

    >>> require_safe_for_tokens("http://127.0.0.1:5000")
    """
    parts = urlsplit(url)
    if parts.scheme != "https" and not is_this_machine(parts.hostname or ""):
        raise ConfigurationError(
            "MLflow is not shown tokens without TLS, where anybody between can read and use them",
            where="DISSONANCE_MLFLOW_URL, DISSONANCE_MLFLOW_TAKES_OUR_TOKENS",
            fix="use https://, or unset DISSONANCE_MLFLOW_TAKES_OUR_TOKENS",
        )


def unprotected(addresses: EngineAddresses, plain: Collection[Wire]) -> tuple[Wire, ...]:
    """What of this process is plain, as a setting lets it be; not an engine that is reached safely all the same."""
    safe = {
        Wire.NATS: urlsplit(addresses.nats_url).scheme == "tls",
        Wire.MLFLOW: urlsplit(addresses.mlflow_url).scheme == "https",
        Wire.DATABASE: all(
            not is_remote(url) or dict(parse_qsl(urlsplit(url).query)).get("sslmode") == VERIFIED
            for url in (addresses.database_url, addresses.keys_database_url)
        ),
    }
    return tuple(wire for wire in Wire if wire in plain and not safe.get(wire, False))


def _require(wire: Wire, url: str, scheme: str, plain: Collection[Wire]) -> None:
    given = urlsplit(url).scheme
    if url and given != scheme and wire not in plain:
        raise _refused(wire, f"{given}://", f"{scheme}://")


def _refused(wire: Wire, given: str, wanted: str) -> ConfigurationError:
    return ConfigurationError(
        f"{wire} is to be reached with {given}, where anybody between can read and change what is said",
        where=f"DISSONANCE_{'DATABASE' if wire is Wire.DATABASE else wire.name}_URL",
        fix=f"use {wanted}; only where the network itself is encrypted, add {wire} to DISSONANCE_PLAIN_CONNECTIONS",
    )
