"""Arithmetic only: arrays in, frozen results out; no I/O, no clock, no global random state (design section 3).

`from dissonance.science import Watch` needs none of the engines, nor what talks to them (docs/science/README.md).
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dissonance.science.frames import Watch
    from dissonance.science.window_accuracy import CannotTell, WindowAccuracy

__all__ = ["CannotTell", "Watch", "WindowAccuracy"]

_HOMES = {"Watch": "frames", "CannotTell": "window_accuracy", "WindowAccuracy": "window_accuracy"}


def __getattr__(name: str) -> Any:
    # Late, since whoever wants one small module should not wait for pandas and LightGBM.
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
