"""Verdicts that were replayed under another policy, kept beside those that counted."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import msgspec

from dissonance.contracts.verdicts import Reason


class ReplayRecord(msgspec.Struct, frozen=True):
    """A whole replay. `replay_id` follows from what was replayed and under what, so doing it again is the same one.

    Event time `[start_us, end_us)`, None = without that bound; `policy` says how it differed from the one of each
    verdict; `links` of the chain were read; of `rows` inside `differing` came out otherwise.
    """

    replay_id: str
    start_us: int | None
    end_us: int | None
    policy: str
    links: int
    rows: int
    differing: int
    made_at_us: int


class ReplayedVerdict(msgspec.Struct, frozen=True):
    """One row whose reason came out otherwise; the reason says the verdict too."""

    prediction_id: bytes
    event_time_us: int
    recorded: Reason
    replayed: Reason


class ReplayStore(Protocol):
    async def add_replayed(self, task_id: str, replay_id: str, verdicts: Sequence[ReplayedVerdict]) -> int:
        """Those that are not there yet; returns how many that were. Raises `UnknownTask`."""
        ...

    async def save_replay(self, task_id: str, record: ReplayRecord) -> bool:
        """Once its rows are there; False when the replay is there already. Raises `UnknownTask`."""
        ...

    async def replays(self, task_id: str, limit: int = 100) -> list[ReplayRecord]:
        """Newest first."""
        ...

    async def replayed(
        self, task_id: str, replay_id: str, limit: int = 1000, after: bytes = bytes(16)
    ) -> list[ReplayedVerdict]:
        """In order of prediction id, those above `after`."""
        ...
