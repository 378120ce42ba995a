"""How commands speak: results on stdout, progress and errors on stderr, JSON when asked for."""

from __future__ import annotations

import sys
import unicodedata
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from threading import Event, Thread
from typing import Any

import msgspec
from rich.console import Console, ConsoleOptions, RenderableType
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    Task,
    TextColumn,
    TimeElapsedColumn,
)
from rich.segment import Segment
from rich.table import Table
from rich.text import Text

from dissonance.errors import DissonanceError


class QuietConsole(Console):
    """Shows control characters in what it is given as `?`: names and reasons come from outside, and a terminal would
    obey them (CWE-150). Those that rich makes itself, for colour and bars, are kept."""

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        for segment in super().render(renderable, options):
            yield segment if segment.control else Segment(without_controls(segment.text), segment.style)


def without_controls(text: str) -> str:
    """
    >>> without_controls("toy\\x1b]0;title\\x07 and\\tmore\\n")
    'toy?]0;title? and\\tmore\\n'
    """
    if text.isprintable():
        return text
    return "".join("?" if unicodedata.category(sign) in CONTROLS and sign not in "\n\t" else sign for sign in text)


CONTROLS = frozenset({"Cc", "Cf", "Cs"})
"""Categories of Unicode: control characters, those that turn the direction of text, and halves of characters."""

BEAT_S = 10.0

WIDEST_ID = 40
"""Characters; the longest of ours, a UUID, has 36."""

console = QuietConsole(highlight=False)
"""For results."""

error_console = QuietConsole(stderr=True, highlight=False)
"""For progress and errors, so that stdout can be piped."""


class ErrorMessage(msgspec.Struct, frozen=True):
    """The one JSON object that a failing command prints with `--json`."""

    error: str
    title: str
    what: str
    where: str
    fix: str
    exit_code: int


def emit(value: Any, as_json: bool, human: RenderableType | Callable[[Console], None]) -> None:
    """Print the result of a command: `value` as one line of JSON (anything msgspec encodes), or `human`.

    `human` is what rich can print, or a function that prints it on the console it is given.
    """
    if as_json:
        emit_json(value)
    elif callable(human):
        human(console)
    else:
        console.print(human)


def add_id_column(table: Table, heading: str, ids: Iterable[str]) -> None:
    """A column that people copy from: what is in it is never cut or folded, others get narrower. Digests of 64 digits
    fold all the same, since nothing would be left beside them."""
    widest = max(map(len, ids), default=0)
    if widest <= WIDEST_ID:
        table.add_column(heading, no_wrap=True, min_width=widest)
    else:
        table.add_column(heading, overflow="fold")


def words(name: str) -> str:
    """A stored name as people read it.

    >>> words("rolled_back")
    'rolled back'
    """
    return name.replace("_", " ")


def emit_json(value: Any) -> None:
    """One line of JSON on stdout, written at once so that a reader of a pipe sees it."""
    sys.stdout.write(msgspec.json.encode(value).decode() + "\n")
    sys.stdout.flush()


def emit_error(error: DissonanceError, as_json: bool) -> None:
    """What is wrong and where, and how to mend it."""
    if as_json:
        emit_json(ErrorMessage(error.slug, error.title, error.what, error.where, error.fix, error.exit_code))
        return
    where = f" ({error.where})" if error.where else ""
    # Never as markup: the text may hold brackets of its own.
    error_console.print(f"{error.title}: {error.what}{where}", style="bold red", markup=False, soft_wrap=True)
    if error.fix:
        error_console.print(f"How to mend it: {error.fix}", markup=False, soft_wrap=True)


@contextmanager
def progress(
    what: str, total: int | None = None, *, quiet: bool = False, unit: str = ""
) -> Iterator[Callable[[int], None]]:
    """For anything that takes more than two seconds: a bar on stderr, or one plain line where there is no terminal.

    Yields a function to be told how many more of `total` are done. Without `total` it only shows that work goes on.
    With a `unit` the bar says how many of it go by in a second. Nothing is shown when `quiet`, as with `--json`.

    >>> with progress("reading rows", total=2, quiet=True) as advance:
    ...     advance(2)
    """
    if quiet or not error_console.is_terminal:
        if not quiet:
            error_console.print(f"{what} …", markup=False)
        yield lambda count: None
        return
    columns = (SpinnerColumn(), TextColumn("{task.description}", markup=False), BarColumn())
    counts = (MofNCompleteColumn(),) if total is not None else ()
    speed = (_Speed(unit),) if unit else ()
    with Progress(*columns, *counts, *speed, TimeElapsedColumn(), console=error_console, transient=True) as bar:
        task = bar.add_task(what, total=total)
        yield lambda count: bar.update(task, advance=count)


@contextmanager
def still_going(where: Callable[[], str], *, quiet: bool = False) -> Iterator[None]:
    """For what takes minutes where there is no terminal to show a bar on: lines that tell `where` it is meanwhile."""
    if quiet or error_console.is_terminal:
        yield
        return
    ended = Event()
    teller = Thread(target=tell_beats, args=(where, ended.wait), daemon=True)
    teller.start()
    try:
        yield
    finally:
        ended.set()
        teller.join()


def tell_beats(where: Callable[[], str], ended_within: Callable[[float], bool]) -> None:
    """A line every `BEAT_S` until it has ended."""
    beats = 0
    while not ended_within(BEAT_S):
        beats += 1
        error_console.print(f"  {beats * BEAT_S:.0f} s: {where()}", markup=False)


@contextmanager
def share_done(what: str, *, quiet: bool = False) -> Iterator[Callable[[int, int], None]]:
    """As `progress`; yields a function to be told how much is done, and of how much."""
    with progress(what, total=100, quiet=quiet) as advance:
        done = 0

        def follow(part: int, total: int) -> None:
            nonlocal done
            percent = 100 * part // max(total, 1)
            advance(percent - done)
            done = percent

        yield follow


class _Speed(ProgressColumn):
    """How many of a unit go by in a second, as of late."""

    def __init__(self, unit: str) -> None:
        super().__init__()
        self._unit = unit

    def render(self, task: Task) -> Text:
        return Text(f"{task.speed or 0.0:,.0f} {self._unit}/s")
