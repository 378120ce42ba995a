"""A record that is signed as it is written, by an installation's key."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from dissonance.settings import read_settings

if TYPE_CHECKING:
    from dissonance.drills.records import Record


def signing_folder(keys: Path | None, folder: Path) -> Path:
    """The one that was named; this installation's, where it has keys already; else that of the data folder that the
    drill worked in."""
    from dissonance.adapters.keys.folder import SIGNING

    own = read_settings(os.environ).keys_folder
    return keys or (own if (own / SIGNING).is_file() else folder / "keys")


def write_signed(records: Path, record: Record, keys: Path) -> Path:
    """Raises `DataFolderError`, and what opening the key folder raises."""
    from dissonance.adapters.clock import SystemRandomness
    from dissonance.adapters.keys.folder import KeyFolder
    from dissonance.bootstrap_keys import key_guards
    from dissonance.drills.records import write_record
    from dissonance.drills.signed import sign_file
    from dissonance.security.signatures import seed_of

    path = write_record(records, record)
    randomness = SystemRandomness()
    guards = key_guards(read_settings(os.environ), randomness)
    signing = KeyFolder.open_or_create(keys, randomness, guards).signing_private_key_pem
    sign_file(path, seed_of(signing))
    return path
