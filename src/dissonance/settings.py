"""The only reader of the environment. Frozen; units beside defaults; secrets have no default.

Every setting is `DISSONANCE_<NAME>`; one that is not listed here stops the start (design 6.5).
Engine addresses left empty are those of the embedded engines, read from the data folder by `bootstrap`.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import msgspec
from msgspec import Meta
from msgspec.structs import FieldInfo, fields

from dissonance.adapters.embedded.addresses import EngineAddresses
from dissonance.adapters.tls.local_authority import FOLDER, tls_in
from dissonance.adapters.tls.required import require_safe_for_tokens, secured_addresses
from dissonance.errors import ConfigurationError
from dissonance.security.tls import Pair, Tls, Wire

PREFIX = "DISSONANCE_"

Port = Annotated[int, Meta(ge=0, le=65535)]
PortOrOff = Annotated[int, Meta(ge=-1, le=65535)]
Count = Annotated[int, Meta(ge=1)]
SecretSource = Annotated[str, Meta(pattern=r"^$|^(file|fd|keyring):.+")]
"""Where a secret is; never the secret, which would be seen in the environment of the process."""

Seconds = Annotated[float, Meta(gt=0.0, le=1e9)]


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All settings of a process. Relative paths are relative to the working folder."""

    data: str = "~/.local/share/dissonance"  # folder of the embedded engines, keys and logs
    database_url: str = ""  # postgresql://…; empty = embedded
    keys_database_url: str = ""  # postgresql://… of the keys of data subjects; empty = embedded
    nats_url: str = ""  # tls://user:password@host:port; empty = embedded
    nats_credentials: str = ""  # file with the seed of an nkey, or made by nsc; empty = what nats_url says, or embedded
    mlflow_url: str = ""  # https://host:port; empty = embedded
    mlflow_takes_our_tokens: bool = False  # whether that MLflow does; the embedded one always does
    mlflow_username: str = ""  # who the roles are there, where it has users of its own
    mlflow_password: SecretSource = ""  # where that user's password is: file:PATH, fd:N, keyring:SERVICE/NAME
    mlflow_token: SecretSource = ""  # where a bearer token for it is, in place of name and password
    tls_certificate: str = ""  # PEM file that listeners show and services show to engines; empty = local authority
    tls_key: str = ""  # PEM file of its key, which may be the same file
    tls_ca: str = ""  # PEM file of who vouches for our engines and services
    tls_names: str = ""  # by comma, names and addresses of this machine in certificates of the local authority
    plain_connections: str = ""  # by comma, of http, grpc, nats, mlflow, database: those that may do without TLS
    key_folder: str = ""  # key-encryption, signing and issuer keys; empty = <data>/keys
    key_passphrase: SecretSource = ""  # where the passphrase of the root key is: file:PATH, fd:N, keyring:SERVICE/NAME
    openbao_address: str = ""  # https://host:port of the OpenBao or Vault that guards the root key
    openbao_token: SecretSource = ""  # where its token is, as for the passphrase
    openbao_key: str = "transit/dissonance"  # mount/name of its transit key
    openbao_ca_file: str = ""  # authority of its certificate, PEM; empty = those of the system
    http_host: str = "127.0.0.1"
    http_port: Port = 0  # 0 = any free port
    grpc_port: PortOrOff = -1  # -1 = no gRPC, 0 = any free port; on http_host
    max_body_bytes: Count = 16_777_216  # bytes of one HTTP body
    data_file_bytes: Count = 4_294_967_296  # bytes of memory that the rows of one Parquet or Arrow file may take
    client_requests_per_s: Annotated[float, Meta(ge=0.0)] = 0.0  # of one identity; 0 = as fast as it can
    drain_s: Annotated[float, Meta(ge=0.0, le=600.0)] = 0.0  # seconds it still answers after SIGTERM, no longer ready
    max_deliver: Count = 5  # deliveries of a message before it is a dead letter
    ack_wait_s: Seconds = 30.0  # seconds until an unanswered message is handed out again
    duplicate_window_s: Seconds = 120.0  # seconds in which the broker drops a repeated event id
    stream_max_age_s: Seconds = 604_800.0  # seconds an event stays in its stream
    stream_max_bytes: Annotated[int, Meta(ge=0)] = 0  # of each stream, which then refuses more; 0 = what the disk holds
    fetch_messages: Count = 256  # messages a role takes at once
    niceness: Annotated[int, Meta(ge=0, le=19)] = 5  # of processes in which nobody waits for an answer
    database_connections: Count = 8  # connections of one process
    spare_keys: Count = 20_000  # keys held ready for data subjects that are new while the store of keys is away
    keys_away_s: Seconds = 900.0  # seconds, since it was last read, that a key is used while its store is away
    spool_bytes: Annotated[int, Meta(ge=0)] = 268_435_456  # of events kept on disk while the broker is away; 0 = 503
    spool_folder: str = ""  # where those events are kept; empty = <data>/spool
    anchor_folder: str = ""  # where heads of the hash chains are written down; empty = <data>/anchors
    grants_file: str = ""  # grants in place of those that ship with the package; empty = those
    token: str = ""  # whose rights commands have; empty = the owner's of the key folder
    token_audience: str = "dissonance"  # noqa: S105 - a name, not a secret
    token_issuer: str = "dissonance-local"  # noqa: S105 - a name, not a secret
    oidc_issuers: str = ""  # TOML file of other issuers whose tokens are taken; empty = none
    log_level: str = "INFO"

    @property
    def data_folder(self) -> Path:
        return Path(self.data).expanduser().absolute()

    @property
    def keys_folder(self) -> Path:
        return Path(self.key_folder).expanduser().absolute() if self.key_folder else self.data_folder / "keys"

    @property
    def issuers_file(self) -> Path | None:
        return Path(self.oidc_issuers).expanduser().absolute() if self.oidc_issuers else None

    @property
    def tls_files(self) -> Tls | None:
        """The files that are given; none: those of the local authority. Raises `ConfigurationError` for a part of
        them."""
        given = (self.tls_certificate, self.tls_key, self.tls_ca)
        if not any(given):
            return None
        if not all(given):
            raise ConfigurationError(
                "certificate, key and authority are given together or not at all",
                where="DISSONANCE_TLS_CERTIFICATE, DISSONANCE_TLS_KEY, DISSONANCE_TLS_CA",
                fix="set all three, or none for certificates of the local authority",
            )
        certificate, key, authority = (str(Path(file).expanduser().absolute()) for file in given)
        return Tls(authority, Pair(certificate, key), Pair(certificate, key))

    @property
    def names(self) -> tuple[str, ...]:
        """Of this machine, besides those that it tells itself."""
        return (self.http_host, *_words(self.tls_names))

    @property
    def plain(self) -> frozenset[Wire]:
        """What may do without TLS. Raises `ConfigurationError` for a word that is none of them."""
        try:
            return frozenset(map(Wire, _words(self.plain_connections)))
        except ValueError as error:
            raise ConfigurationError(
                str(error),
                where=f"{PREFIX}PLAIN_CONNECTIONS",
                fix=f"name, by comma, some of {', '.join(Wire)}; or unset it",
            ) from error

    @property
    def spool(self) -> Path:
        return Path(self.spool_folder).expanduser().absolute() if self.spool_folder else self.data_folder / "spool"

    @property
    def grants(self) -> Path | None:
        """The file of grants; None for the one that ships with the package."""
        return Path(self.grants_file).expanduser().absolute() if self.grants_file else None

    @property
    def access_spool(self) -> Path:
        """Of what the audit trail has on disk while the database is away."""
        return self.spool / "accesses"

    @property
    def anchors(self) -> Path:
        return Path(self.anchor_folder).expanduser().absolute() if self.anchor_folder else self.data_folder / "anchors"

    @property
    def erasures(self) -> Path:
        """Notes of erasures, which no restore may take back."""
        return self.keys_folder.with_name(f"{self.keys_folder.name}-erased")


ELSEWHERE = "PGHOSTADDR"
"""The one variable of libpq that goes before the host in an address."""


def read_settings(environment: Mapping[str, str]) -> Settings:
    """Settings from variables of the environment.

    Raises `ConfigurationError` that names the variable for an unknown name, a wrong type or a value out of range, and
    for one of libpq's that would lead addresses of sockets over a network, past TLS (ADR 75).

    >>> read_settings({"DISSONANCE_HTTP_PORT": "8080"}).http_port
    8080
    """
    known = set(Settings.__struct_fields__)
    given = {name[len(PREFIX) :].lower(): value for name, value in environment.items() if name.startswith(PREFIX)}
    for name in sorted(given.keys() - known):
        raise ConfigurationError(
            f"unknown setting {PREFIX}{name.upper()}",
            where="environment",
            fix=f"unset it; the settings are {', '.join(PREFIX + field.upper() for field in sorted(known))}",
        )
    if environment.get(ELSEWHERE):
        raise ConfigurationError(
            f"{ELSEWHERE} sends every connection to PostgreSQL elsewhere, in the clear where its address is a socket",
            where="environment",
            fix=f"unset {ELSEWHERE}; name the host in {PREFIX}DATABASE_URL",
        )
    return Settings(
        **{field.name: _value(field, given[field.name]) for field in fields(Settings) if field.name in given}
    )


def given_addresses(settings: Settings) -> EngineAddresses:
    """The addresses of engines that the settings give; empty ones are embedded.

    Raises `ConfigurationError` for one without TLS where no setting lets it be, or where it would be shown tokens.
    """
    if settings.mlflow_url and settings.mlflow_takes_our_tokens:
        require_safe_for_tokens(settings.mlflow_url)
    urls = (settings.database_url, settings.keys_database_url, settings.nats_url, settings.mlflow_url)
    authority = (settings.tls_files or tls_in(settings.keys_folder / FOLDER)).authority
    return secured_addresses(EngineAddresses(*urls, settings.tls_files), settings.plain, authority)


class S3Settings(msgspec.Struct, frozen=True):
    """Of the standard variables of AWS, those that the S3 client does not read by itself; credentials it finds."""

    endpoint: str | None
    region: str | None
    ca_file: str | None


def read_s3_settings(environment: Mapping[str, str]) -> S3Settings:
    """
    >>> read_s3_settings({"AWS_ENDPOINT_URL": "http://localhost:9000"}).endpoint
    'http://localhost:9000'
    """
    return S3Settings(
        environment.get("AWS_ENDPOINT_URL_S3") or environment.get("AWS_ENDPOINT_URL") or None,
        environment.get("AWS_REGION") or environment.get("AWS_DEFAULT_REGION") or None,
        environment.get("AWS_CA_BUNDLE") or None,
    )


def _words(text: str) -> list[str]:
    return [word for word in map(str.strip, text.split(",")) if word]


def _value(field: FieldInfo, text: str) -> Any:
    try:
        return msgspec.convert(text, field.type, strict=False)
    except msgspec.ValidationError as error:
        raise ConfigurationError(
            f"{PREFIX}{field.name.upper()} cannot be used: {error}", where="environment", fix="correct or unset it"
        ) from error
