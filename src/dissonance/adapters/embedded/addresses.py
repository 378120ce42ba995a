"""Where the engines are, and whether each is ours or given from outside."""

from __future__ import annotations

from enum import StrEnum

import msgspec

from dissonance.security.tls import Tls


class EngineName(StrEnum):
    """The engines, in the order they start; they stop in the reverse order."""

    POSTGRESQL = "postgresql"
    NATS = "nats"
    MLFLOW = "mlflow"


class EngineAddresses(msgspec.Struct, frozen=True):
    """Addresses as clients take them. Those of the database and the broker may carry a password: never print them.

    `database_url`, `keys_database_url`: `postgresql://…`; `nats_url`: `tls://user:password@host:port`;
    `mlflow_url`: `https://host:port`. Empty means: not there (given: start it here). `tls`: the files to reach them by;
    none means those of the installation's own authority, and that nothing with `tls` or `https` can be reached.
    """

    database_url: str = ""
    keys_database_url: str = ""
    nats_url: str = ""
    mlflow_url: str = ""
    tls: Tls | None = None

    @property
    def are_complete(self) -> bool:
        return all((self.database_url, self.keys_database_url, self.nats_url, self.mlflow_url))
