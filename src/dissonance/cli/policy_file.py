"""Policies, and values of them, from a file that somebody wrote."""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

import msgspec

from dissonance.contracts.policy import Policy
from dissonance.contracts.unreadable import UNREADABLE
from dissonance.errors import PolicyInvalid

T = TypeVar("T")


def read_policy_file(path: Path, kind: type[T]) -> T:
    """From JSON or TOML, by the file's name. Raises `PolicyInvalid`."""
    try:
        content = path.read_bytes()
        if path.suffix == ".toml":
            return msgspec.toml.decode(content, type=kind)
        return msgspec.json.decode(content, type=kind)
    except OSError as error:
        raise PolicyInvalid(
            f"the file cannot be read: {error.strerror}", where=str(path), fix="give a .json or .toml file"
        ) from error
    except UNREADABLE as error:
        raise PolicyInvalid(
            f"the file is no policy: {error}",
            where=str(path),
            fix=f"the limits are {', '.join(Policy.__struct_fields__)}",
        ) from error
