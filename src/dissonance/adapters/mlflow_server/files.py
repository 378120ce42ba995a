"""The two files that the MLflow server reads its access control from: MLflow's own, and ours beside it."""

from __future__ import annotations

import configparser
import io
from pathlib import Path

import msgspec

from dissonance.adapters.embedded.files import write_atomically
from dissonance.errors import ConfigurationError

OURS = "access.json"
AUTHORIZATION = "dissonance.adapters.mlflow_server.access:authenticate"

NOBODY = "nobody"
"""Whom MLflow's configuration has to name as its administrator; it has no password and cannot come in."""


class Access(msgspec.Struct, frozen=True):
    """Whose tokens are taken. The key is public. `credentials_database`: the name of the database, beside MLflow's own,
    that says which are revoked."""

    public_key_pem: bytes
    issuer: str
    audience: str
    credentials_database: str


def write_access(folder: Path, access: Access) -> Path:
    """Where MLflow finds its file. Raises `OSError`."""
    theirs = configparser.ConfigParser()
    theirs["mlflow"] = {
        "default_permission": "NO_PERMISSIONS",
        "database_uri": "none",
        "admin_username": NOBODY,
        "authorization_function": AUTHORIZATION,
    }
    text = io.StringIO()
    theirs.write(text)
    write_atomically(folder / OURS, msgspec.json.encode(access))
    path = folder / "auth.ini"
    write_atomically(path, text.getvalue().encode())
    return path


def read_access(theirs: Path) -> Access:
    """From the file beside MLflow's. Raises `ConfigurationError`."""
    path = theirs.with_name(OURS)
    try:
        return msgspec.json.decode(path.read_bytes(), type=Access)
    except (OSError, msgspec.MsgspecError) as error:
        raise ConfigurationError(
            f"whose tokens MLflow takes cannot be read: {error}", where=str(path), fix="start it with `dissonance up`"
        ) from error
