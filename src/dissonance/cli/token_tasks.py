"""Tasks that a credential is for: whoever misspells one would get a key that opens nothing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from dissonance.cli.near_tasks import did_you_mean
from dissonance.contracts.schema import Task
from dissonance.security.permissions import ANY_TASK


class Tasks(Protocol):
    """What of the store this reads."""

    async def by_name(self, name: str) -> Task:
        """Raises `UnknownTask`."""
        ...


def warning_of(names: Sequence[str], there_are: Sequence[str]) -> str:
    """What to say of a token for tasks of which some are not made yet, or misspelt; empty where all are there.

    >>> warning_of(["*", "censsus"], ["census"])
    "no task is named 'censsus' yet, and until then the token opens nothing there (did you mean 'census'?)"
    """
    unknown = [name for name in names if name != ANY_TASK and name not in there_are]
    if not unknown:
        return ""
    meant = "; ".join(filter(None, (did_you_mean(name, there_are) for name in unknown)))
    said = f"no task is named {' or '.join(map(repr, unknown))} yet, and until then the token opens nothing there"
    return f"{said} ({meant})" if meant else said


async def named_tasks(store: Tasks, names: Sequence[str] | None) -> list[str]:
    """Those that were named, each of which there is; every task where none was. Raises `UnknownTask`."""
    for name in names or ():
        if name != ANY_TASK:
            await store.by_name(name)
    return list(names or [ANY_TASK])
