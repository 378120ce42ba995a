"""Where the engines are, and whether each is ours or given from outside."""

from __future__ import annotations

from enum import StrEnum

import msgspec


class EngineName(StrEnum):
    """The engines, in the order they start; they stop in the reverse order."""

    POSTGRESQL = "postgresql"
    NATS = "nats"
    MLFLOW = "mlflow"


class EngineAddresses(msgspec.Struct, frozen=True):
    """Addresses as clients take them. Those of the database and the broker may carry a password: never print them.

    `database_url`, `keys_database_url`: `postgresql://…`; `nats_url`: `nats://user:password@host:port`;
    `mlflow_url`: `http://host:port`. Empty means: not there (given: start it here).
    """

    database_url: str = ""
    keys_database_url: str = ""
    nats_url: str = ""
    mlflow_url: str = ""
