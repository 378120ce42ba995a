"""What runs on a data folder now, as its supervisor wrote it down: `state.json`, readable by its user only."""

from __future__ import annotations

from pathlib import Path

import msgspec

from dissonance.adapters.embedded.addresses import EngineAddresses
from dissonance.adapters.embedded.files import write_atomically
from dissonance.adapters.embedded.folder import DataFolder
from dissonance.adapters.embedded.process import ProcessIdentity, find_process
from dissonance.errors import DataFolderError


class State(msgspec.Struct, frozen=True):
    """`children`: by engine name, of those started here. `scratch`: folders outside that die with the engines.

    `ready` is true once every engine answered after the start.
    """

    supervisor: ProcessIdentity
    addresses: EngineAddresses
    children: dict[str, ProcessIdentity] = {}
    scratch: tuple[str, ...] = ()
    ready: bool = False


def read_recorded_state(folder: Path) -> State | None:
    """The last written state, whether or not anything of it still lives. Raises `DataFolderError` when damaged."""
    path = DataFolder(folder).state
    try:
        return msgspec.json.decode(path.read_bytes(), type=State)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise DataFolderError(
            f"the state of the engines cannot be read: {error.strerror}",
            where=str(path),
            fix="run this as the user who started them",
        ) from error
    except msgspec.DecodeError as error:
        raise DataFolderError(
            f"the state of the engines is damaged: {error}", where=str(path), fix="stop what runs, remove this file"
        ) from error


def read_state(folder: Path) -> State | None:
    """The state of running engines; `None` when no supervisor lives on `folder`.

    Raises `DataFolderError` when the file cannot be read.
    """
    state = read_recorded_state(folder)
    return state if state is not None and find_process(state.supervisor) is not None else None


def write_state(folder: Path, state: State) -> None:
    """Raises `OSError`."""
    write_atomically(DataFolder(folder).state, msgspec.json.format(msgspec.json.encode(state)))


def engine_pids(folder: Path) -> dict[str, int]:
    """Pids of the engines started here that live now, by engine name; empty when nothing runs."""
    state = read_state(folder)
    if state is None:
        return {}
    return {name: child.pid for name, child in state.children.items() if find_process(child) is not None}
