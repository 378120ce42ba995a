"""What commands of drills have in common: where they work, what they say meanwhile, and how they are ended."""

from __future__ import annotations

import asyncio
import signal
import tempfile
from collections.abc import Awaitable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, TypeVar

import typer

from dissonance.cli.output import error_console

Result = TypeVar("Result")

Records = Annotated[Path, typer.Option(help="Where the record goes.")]
Folder = Annotated[Path | None, typer.Option(help="A folder to work in; a temporary one when left out.")]
Keys = Annotated[Path | None, typer.Option(help="Key folder that signs; else this installation's, if any.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print the record as JSON.")]
DEFAULT_RECORDS = Path("records")


def say(line: str) -> None:
    error_console.print(line, markup=False, soft_wrap=True)


@contextmanager
def working_folder(given: Path | None) -> Iterator[Path]:
    """A temporary one is gone afterwards."""
    if given is not None:
        yield given
        return
    with tempfile.TemporaryDirectory(prefix="dissonance-drill-") as folder:
        yield Path(folder)


async def until_sigterm(work: Awaitable[Result]) -> Result:
    """Ctrl-C and SIGTERM end it alike: everything that was started is stopped, what was mounted is unmounted."""
    task = asyncio.current_task()
    assert task is not None
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    return await work
