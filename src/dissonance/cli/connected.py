"""One command's work on a running system."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

from dissonance.cli.acting import lists_tasks
from dissonance.cli.near_tasks import suggest
from dissonance.cli.options import variables_of
from dissonance.cli.output import error_console, progress, still_going
from dissonance.errors import UnknownTask
from dissonance.settings import read_settings

if TYPE_CHECKING:
    from dissonance.bootstrap import System
    from dissonance.pipeline.workshop import Progress

T = TypeVar("T")

LAST = "done"

STAGES: dict[str, tuple[int, int]] = {
    "ask the engines": (0, 0),
    "read": (0, 5),
    "open the rows": (0, 15),
    "sort out the labels": (15, 20),
    "fit the proposer": (20, 60),
    "move from the incumbent": (60, 65),
    "fit the critic": (65, 70),
    "evaluate on the golden rows": (70, 70),
    "seal the rows": (70, 90),
    "register the models": (90, 100),
    "put into production": (100, 100),
    LAST: (100, 100),
}
"""Where each stage of a long command lies on its bar, in percent."""


def on_system(data_folder: str | None, use: Callable[[System], Awaitable[T]]) -> T:
    """Connect, do, disconnect. `data_folder`: in place of `DISSONANCE_DATA`."""
    from dissonance.bootstrap import open_system

    variables = variables_of(data_folder)
    settings = read_settings(variables)

    async def used() -> T:
        async with open_system(settings) as system:
            try:
                return await use(system)
            except UnknownTask as unknown:
                if lists_tasks():
                    await suggest(system.store, unknown)
                raise

    return asyncio.run(used())


@contextmanager
def stages(what: str, *, quiet: bool) -> Iterator[Progress]:
    """A bar that follows the stages of the pipeline, and a line for each that begins; where there is no terminal, a
    line every ten seconds in place of the bar. `quiet` as with `--json`."""
    shown, told = 0, ""
    with (
        progress(what, total=100, quiet=quiet) as advance,
        still_going(lambda: f"{told or what}, {shown} %", quiet=quiet),
    ):

        def follow(stage: str, share: float) -> None:
            nonlocal shown, told
            if stage != told and not quiet:
                error_console.print(f"  {stage}" if stage == LAST else f"  {stage} …", markup=False)
            told = stage
            start, end = STAGES[stage]
            percent = round(start + share * (end - start))
            if percent > shown:
                advance(percent - shown)
                shown = percent

        yield follow
