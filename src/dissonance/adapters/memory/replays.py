"""Replays in memory (`ports.replays.ReplayStore`)."""

from __future__ import annotations

from collections.abc import Sequence

from dissonance.adapters.memory.held import Held
from dissonance.ports.replays import ReplayedVerdict, ReplayRecord


class MemoryReplays(Held):
    async def add_replayed(self, task_id: str, replay_id: str, verdicts: Sequence[ReplayedVerdict]) -> int:
        there = self._of(task_id).replayed.setdefault(replay_id, {})
        new = {verdict.prediction_id: verdict for verdict in verdicts if verdict.prediction_id not in there}
        there |= new
        return len(new)

    async def save_replay(self, task_id: str, record: ReplayRecord) -> bool:
        return self._of(task_id).replays.setdefault(record.replay_id, record) is record

    async def replays(self, task_id: str, limit: int = 100) -> list[ReplayRecord]:
        known = self._known(task_id)
        records = known.replays.values() if known is not None else []
        return sorted(records, key=lambda record: (-record.made_at_us, record.replay_id))[:limit]

    async def replayed(
        self, task_id: str, replay_id: str, limit: int = 1000, after: bytes = bytes(16)
    ) -> list[ReplayedVerdict]:
        known = self._known(task_id)
        verdicts = known.replayed.get(replay_id, {}) if known is not None else {}
        return [verdicts[each] for each in sorted(verdicts) if each > after][:limit]
