"""Addresses of engines that are run by others: TLS to each, or a setting that says that one may do without (ADR 62)."""

from __future__ import annotations

from collections.abc import Collection
from urllib.parse import quote, urlencode, urlsplit

import msgspec

from dissonance.adapters.embedded.addresses import EngineAddresses
from dissonance.errors import ConfigurationError
from dissonance.security.issuers import is_this_machine
from dissonance.security.tls import Wire

VERIFIED = "verify-full"
"""The one `sslmode` in which libpq checks both who signed and for which name (PostgreSQL, "SSL Support")."""

REQUIRED = {"sslmode": VERIFIED, "ssl_min_protocol_version": "TLSv1.3", "gssencmode": "disable"}
"""What an address of a remote database says, or is made to say, since libpq's own defaults are laxer and can be changed
by variables and files that nobody looks at. With GSS encryption it would do without TLS."""


def secured_addresses(given: EngineAddresses, plain: Collection[Wire], authority: str) -> EngineAddresses:
    """`given`, with what makes libpq check whom it talks to. Empty addresses are those of embedded engines.

    `authority`: path of who vouches for a database whose address names nobody (`sslrootcert`). Raises
    `ConfigurationError` for an address without TLS that is not among `plain`.
    """
    _require(Wire.NATS, given.nats_url, "tls", plain)
    _require(Wire.MLFLOW, given.mlflow_url, "https", plain)
    return msgspec.structs.replace(
        given,
        database_url=secured_database(given.database_url, plain, authority),
        keys_database_url=secured_database(given.keys_database_url, plain, authority),
    )


def secured_database(url: str, plain: Collection[Wire], authority: str) -> str:
    """A unix socket needs nothing (ADR 11). What is missing is added to the end of `url`, which stays as it is.

    >>> secured_database("postgresql:///dissonance?host=/run/postgresql", (), "/ca.pem")
    'postgresql:///dissonance?host=/run/postgresql'
    >>> secured_database("postgresql://u@db/a", (), "/ca.pem").partition("?")[2]
    'sslmode=verify-full&ssl_min_protocol_version=TLSv1.3&gssencmode=disable&sslrootcert=/ca.pem'
    """
    options = _options(url)
    if not is_remote(url) or (Wire.DATABASE in plain and options.get("sslmode") != VERIFIED):
        return url
    for name, value in REQUIRED.items():
        if options.get(name, value) != value:
            raise _refused(Wire.DATABASE, f"{name}={options[name]}", f"{name}={value}")
    wanted = {**REQUIRED, "sslrootcert": authority}  # an empty one is none: libpq would look in the home folder
    missing = {name: value for name, value in wanted.items() if not options.get(name)}
    if not missing:
        return url
    secured = f"{url}{'&' if '?' in url else '?'}{urlencode(missing, safe='/', quote_via=quote)}"
    if _options(secured) != options | missing:
        raise _no_address()
    return secured


def is_remote(url: str) -> bool:
    """Whether a database is, or may be, reached over a network, be it the one inside this machine.

    Of several hosts one is enough. An address without any is that of whom PGHOST or a service file names; such a file
    may name a network address beside a socket, too.

    >>> [is_remote(url) for url in ("", "postgresql:///d?host=/run", "postgresql://u@%2Frun/d")]
    [False, False, False]
    >>> [is_remote(url) for url in ("postgresql://127.0.0.1/d", "postgresql:///d?host=/run,h", "postgresql:///d")]
    [True, True, True]
    """
    options = _options(url)
    local = all(host.startswith("/") for host in options.get("host", "").split(","))
    return bool(url) and (not local or "hostaddr" in options or "service" in options)


def _options(url: str) -> dict[str, str]:
    """As libpq reads them, by libpq: it knows other words for some (`ssl=true`), and no fragments. Raises
    `ConfigurationError`."""
    if not url:
        return {}
    import psycopg.conninfo  # every command reads its settings, and few of them such an address

    if not url.startswith(("postgresql://", "postgres://")):
        raise _no_address()
    try:
        return {name: str(value) for name, value in psycopg.conninfo.conninfo_to_dict(url).items()}
    except psycopg.ProgrammingError as error:  # its message may quote a password
        raise _no_address() from error


def _no_address() -> ConfigurationError:
    return ConfigurationError(
        "that is no address of a PostgreSQL",
        where=_setting(Wire.DATABASE),
        fix="write it as postgresql://user@host:port/database?sslrootcert=FILE, with special signs as %XX",
    )


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
            not is_remote(url) or _options(url).get("sslmode") == VERIFIED
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
        where=_setting(wire),
        fix=f"use {wanted}; only where the network itself is encrypted, add {wire} to DISSONANCE_PLAIN_CONNECTIONS",
    )


def _setting(wire: Wire) -> str:
    """Which one says where it is; of a database one of two."""
    name = f"DISSONANCE_{wire.name}_URL"
    return f"{name}, DISSONANCE_KEYS_{wire.name}_URL" if wire is Wire.DATABASE else name
