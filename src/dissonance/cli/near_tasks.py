"""Names of tasks that are close to one that there is not: for whoever may list them all, and nobody else."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from typing import Protocol

from dissonance.contracts.schema import Task
from dissonance.errors import EngineError, UnknownTask


class Tasks(Protocol):
    """What of the store this reads."""

    async def all(self) -> Sequence[Task]: ...


async def suggest(tasks: Tasks, unknown: UnknownTask) -> None:
    """Say in its fix which name may be meant, where one is close. Nothing more is wrong where that cannot be asked."""
    try:
        names = [task.name for task in await tasks.all()]
    except EngineError:
        return
    if meant := did_you_mean(unknown.name, names):
        unknown.fix = f"{meant} Else {unknown.fix}"


def did_you_mean(name: str, names: Iterable[str]) -> str:
    """Empty where none is close.

    >>> did_you_mean("censsus", ["census", "loans"]), did_you_mean("toy", ["census"])
    ("did you mean 'census'?", '')
    """
    near = get_close_matches(name, list(names))
    return f"did you mean {' or '.join(repr(each) for each in near)}?" if near else ""
