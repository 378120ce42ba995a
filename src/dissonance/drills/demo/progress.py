"""What the demo knows while it runs: written by the driver, read by the view."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

from dissonance.contracts.policy import Policy
from dissonance.contracts.window_api import WindowReply


class Note(NamedTuple):
    """One thing that happened, `elapsed_s` seconds after the start."""

    elapsed_s: float
    text: str


@dataclass
class Progress:
    """`now_s` is a clock that only goes forward, in seconds; `event_time_us` is where the stream is. `canary_version`:
    what answers a share of the rows beside the model in production; `waiting_for`: why the stream stands still."""

    now_s: Callable[[], float]
    rows_total: int
    started_s: float = 0.0
    step: str = ""
    rows_sent: int = 0
    acknowledged: int = 0
    admitted: int = 0
    blocked: int = 0
    dead_lettered: int = 0
    labels_asked: int = 0
    labels_sent: int = 0
    labels_joined: int = 0
    event_time_us: int = 0
    model_version: int = 0
    canary_version: int | None = None
    promoted_at_us: int | None = None
    policy: Policy = field(default_factory=Policy)
    windows: list[WindowReply] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)
    waiting_for: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.started_s = self.now_s()

    @property
    def elapsed_s(self) -> float:
        return self.now_s() - self.started_s

    def note(self, text: str) -> None:
        self.notes.append(Note(self.elapsed_s, text))
