"""Tasks that a credential is for: whoever misspells one would get a key that opens nothing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from dissonance.contracts.schema import Task
from dissonance.security.permissions import ANY_TASK


class Tasks(Protocol):
    """What of the store this reads."""

    async def by_name(self, name: str) -> Task:
        """Raises `UnknownTask`."""
        ...


async def named_tasks(store: Tasks, names: Sequence[str] | None) -> list[str]:
    """Those that were named, each of which there is; every task where none was. Raises `UnknownTask`."""
    for name in names or ():
        if name != ANY_TASK:
            await store.by_name(name)
    return list(names or [ANY_TASK])
