"""Files that a command writes for whoever called it, and for nobody else: what is in them may be about people."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from dissonance.errors import InputError

OWNER_ONLY = 0o600


@contextmanager
def private_file(path: Path) -> Iterator[BinaryIO]:
    """Written anew, and readable by its owner only, also where a file was there before. Raises `InputError` where it
    cannot be written."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, OWNER_ONLY)
        with os.fdopen(descriptor, "wb") as file:
            if stat.S_ISREG(os.fstat(descriptor).st_mode):
                os.fchmod(descriptor, OWNER_ONLY)
            yield file
    except OSError as error:
        raise InputError(
            f"the file cannot be written: {error.strerror}", where=str(path), fix="give another path"
        ) from error
