"""What a fault is, and what it may lay its hands on."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from dissonance.bootstrap import System
from dissonance.contracts.schema import Task
from dissonance.drills.faults.disks import Filling
from dissonance.drills.faults.stand import Stand
from dissonance.drills.records import Raw


@dataclass
class Scene:
    """`url`, `token`: of the load balancer, as clients have them. `hold_s`: how long a fault that lasts is held.
    `disks`: what stores can be filled, by name. `faketime`: the library that shifts a clock, where there is one.
    `figures`: what a fault counted besides, for the record. `candidate`: version of a model that serves nobody yet."""

    stand: Stand
    system: System
    task: Task
    url: str
    token: str
    hold_s: float
    candidate: int
    disks: dict[str, Filling]
    faketime: Path | None = None
    figures: dict[str, Raw] = field(default_factory=dict)


Act = Callable[[Scene], Awaitable[None]]


class Fault(NamedTuple):
    """`act` returns when the fault is over: what then is still broken must mend itself. `needs`: why it cannot be done
    here, or None. `hand`: what a person would do if nothing else helps; the record says when it was needed."""

    kind: str
    target: str
    act: Act
    needs: Callable[[Scene], str | None] = lambda scene: None
    hand: Act | None = None

    @property
    def name(self) -> str:
        return f"{self.kind} {self.target}"
