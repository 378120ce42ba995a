"""The manifest of streams that the broker must show again after a restart.

With a wrong at-rest key, NATS starts with an empty store and only a warning. Counting its streams is the one way to
tell that from a new installation (seen with nats-server 2.15).
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import msgspec

from dissonance.adapters.embedded.addresses import EngineName
from dissonance.adapters.embedded.files import write_atomically
from dissonance.adapters.embedded.folder import DataFolder
from dissonance.adapters.embedded.state import read_state
from dissonance.errors import DataFolderError, EngineError


def record_streams(folder: Path, names: Iterable[str]) -> None:
    """Note the streams that exist in the embedded broker of data folder `folder`, replacing what was noted before.

    To be called after streams are made or removed. Does nothing when no broker was started on `folder`: streams of an
    external broker are not ours to check. Raises `DataFolderError`.
    """
    data, state = DataFolder(folder), read_state(folder)
    if state is None or EngineName.NATS not in state.children:
        return
    try:
        write_atomically(data.streams, msgspec.json.encode(sorted(set(names))))
    except OSError as error:
        raise DataFolderError(
            f"the manifest of streams cannot be written: {error.strerror}",
            where=str(data.streams),
            fix="free space on its disk",
        ) from error


def recorded_streams(folder: Path) -> frozenset[str]:
    """The streams noted last; empty when none were. Raises `DataFolderError` when the manifest is damaged."""
    path = DataFolder(folder).streams
    try:
        return frozenset(msgspec.json.decode(path.read_bytes(), type=list[str]))
    except FileNotFoundError:
        return frozenset()
    except (OSError, msgspec.DecodeError) as error:
        raise DataFolderError(
            f"the manifest of streams cannot be read: {error}", where=str(path), fix="restore it from a backup"
        ) from error


def refuse_lost_streams(recorded: frozenset[str], present: frozenset[str], where: str) -> None:
    """Raises `EngineError` when a recorded stream is gone.

    >>> refuse_lost_streams(frozenset({"EVENTS"}), frozenset({"EVENTS", "OTHER"}), "nats")
    """
    lost = sorted(recorded - present)
    if lost:
        raise EngineError(
            f"the broker lost {len(lost)} of {len(recorded)} streams ({', '.join(lost[:5])}): its at-rest key is "
            "not the one they were written with, or its folder was emptied",
            where=where,
            fix="restore nats-store.key (and the nats folder) from the backup; nothing was removed",
        )
