"""What a run of the benchmark was asked for, and every part may want to know."""

from __future__ import annotations

from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Options:
    windows: int = 2
    """Of each kind and size."""
    nannyml: Path | None = None
    """The Python of NannyML's environment. None: CBPE is left out."""


_OPTIONS: ContextVar[Options] = ContextVar("options", default=Options())  # noqa: B039 - frozen


def current() -> Options:
    return _OPTIONS.get()


def use(options: Options) -> None:
    """For the rest of this process."""
    _OPTIONS.set(options)
