"""The ports that the engines of a data folder had last, so that a role that outlives `up` finds them again."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import urlsplit

import msgspec

from dissonance.adapters.embedded.files import write_atomically
from dissonance.adapters.embedded.folder import DataFolder
from dissonance.adapters.embedded.loopback import choose_port
from dissonance.errors import DataFolderError, EngineError


class Ports(msgspec.Struct, frozen=True):
    """0: never had one here."""

    nats: int = 0
    mlflow: int = 0


def read_ports(folder: DataFolder) -> Ports:
    """Raises `DataFolderError` when the file is damaged."""
    try:
        return msgspec.json.decode(folder.ports.read_bytes(), type=Ports)
    except FileNotFoundError:
        return Ports()
    except (OSError, msgspec.DecodeError) as error:
        raise DataFolderError(
            f"the ports of the engines cannot be read: {error}",
            where=str(folder.ports),
            fix="remove this file: the engines then take any free port",
        ) from error


def port_of(url: str) -> int:
    """
    >>> port_of("nats://user:password@127.0.0.1:4222")
    4222
    """
    return urlsplit(url).port or 0


def remember_ports(folder: DataFolder, ports: Ports) -> None:
    """Raises `DataFolderError`."""
    try:
        write_atomically(folder.ports, msgspec.json.encode(ports))
    except OSError as error:
        raise DataFolderError(
            f"the ports of the engines cannot be written: {error.strerror}",
            where=str(folder.ports),
            fix="free space on its disk",
        ) from error


def port_again(given: int, before: int, engine: str, report: Callable[[str], None]) -> int:
    """`given` when one is asked for; else the one from before while it is free; else 0, any free one."""
    if given or not before:
        return given
    try:
        return choose_port(before, engine=engine)
    except EngineError:
        report(f"port {before}, which {engine} had before, is taken: restart the roles that used it")
        return 0
