"""TLS 1.3 (RFC 8446) of every connection: which files it is made of, and contexts made of them (ADR 61)."""

from __future__ import annotations

import ssl
from enum import StrEnum
from pathlib import Path

import msgspec

from dissonance.errors import ConfigurationError

ALPN = "http/1.1"


class Wire(StrEnum):
    """What is protected on its way, by the word that a setting says that it may be plain."""

    HTTP = "http"
    GRPC = "grpc"
    NATS = "nats"
    MLFLOW = "mlflow"
    DATABASE = "database"


class Pair(msgspec.Struct, frozen=True):
    """Paths of PEM files; both may be the same file, which is then replaced as a whole."""

    certificate: str
    key: str

    def read(self) -> tuple[bytes, bytes]:
        """Key, then certificate. Raises `ConfigurationError`."""
        try:
            return Path(self.key).read_bytes(), Path(self.certificate).read_bytes()
        except OSError as error:
            raise _unusable(self.certificate, error) from error


class Tls(msgspec.Struct, frozen=True):
    """What a process is known by, and whom it trusts.

    `authority`: path of the PEM certificates of who vouches for others; nobody else does, not even whom this machine
    trusts otherwise. `server`: shown to clients; `client`: to servers that want to know who calls.
    """

    authority: str
    server: Pair
    client: Pair


def server_context(tls: Tls) -> ssl.SSLContext:
    """Of a listener whose callers say who they are by other means. Raises `ConfigurationError`."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.set_alpn_protocols([ALPN])
    load_pair(context, tls.server)
    return context


def client_context(tls: Tls) -> ssl.SSLContext:
    """Of a caller that says who it is, as our engines want to know. Raises `ConfigurationError`."""
    context = trusting(tls.authority)
    load_pair(context, tls.client)
    return context


def trusting(authority: str) -> ssl.SSLContext:
    """Of a caller that nobody needs to know: it checks the other side, by its name too.

    Raises `ConfigurationError`.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    load_authority(context, authority)
    return context


def load_pair(context: ssl.SSLContext, pair: Pair) -> None:
    """`context` begins connections with this pair from now on; open ones stay. Raises `ConfigurationError`."""
    try:
        context.load_cert_chain(pair.certificate, pair.key)
    except OSError as error:
        raise _unusable(pair.certificate, error) from error


def load_authority(context: ssl.SSLContext, authority: str) -> None:
    """`context` trusts these too. Raises `ConfigurationError`."""
    try:
        context.load_verify_locations(authority)
    except OSError as error:
        raise _unusable(authority, error) from error


def _unusable(path: str, error: OSError) -> ConfigurationError:
    return ConfigurationError(
        f"certificate, key or authority cannot be used: {error.strerror or error}",
        where=path,
        fix="give PEM files that belong together and that this user may read: DISSONANCE_TLS_CERTIFICATE, "
        "DISSONANCE_TLS_KEY, DISSONANCE_TLS_CA",
    )
