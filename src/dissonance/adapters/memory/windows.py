"""Windows in memory (`ports.store.WindowStore`)."""

from __future__ import annotations

import msgspec

from dissonance.adapters.memory.held import Held
from dissonance.contracts.estimates import WindowEstimate
from dissonance.ports.store import Window


class MemoryWindows(Held):
    async def save_window(self, window: Window) -> int:
        windows, window = self._of(window.task_id).windows, msgspec.structs.replace(window, estimate=None)
        before = windows.get(window.window_id)
        if before is None or before != msgspec.structs.replace(window, revision=before.revision):
            windows[window.window_id] = msgspec.structs.replace(window, revision=before.revision + 1 if before else 1)
        return windows[window.window_id].revision

    async def save_estimate(self, task_id: str, window_id: str, estimate: WindowEstimate) -> bool:
        return self._of(task_id).estimates.setdefault(window_id, estimate) is estimate

    async def windows(self, task_id: str, limit: int = 100) -> list[Window]:
        known = self._known(task_id)
        if known is None:
            return []
        stated = [
            msgspec.structs.replace(window, estimate=known.estimates.get(name))
            for name, window in known.windows.items()
        ]
        return sorted(stated, key=lambda window: (-window.start_us, window.window_id))[:limit]
