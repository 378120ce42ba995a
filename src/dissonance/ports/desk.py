"""What all work on a task's rows needs, of roles and pipeline alike: a role's workplace is one, and so is
`bootstrap.System`."""

from __future__ import annotations

from typing import Protocol

from dissonance.ports.bus import Bus
from dissonance.ports.clock import Clock, Randomness
from dissonance.ports.keys import DataSubjectKeys
from dissonance.ports.store import Store


class Desk(Protocol):
    @property
    def store(self) -> Store: ...

    @property
    def keys(self) -> DataSubjectKeys: ...

    @property
    def bus(self) -> Bus: ...

    @property
    def clock(self) -> Clock: ...

    @property
    def randomness(self) -> Randomness: ...
