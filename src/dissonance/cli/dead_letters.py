"""`dissonance dead-letters`: messages that were given up, with their reason; hand them out again, or drop them."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, Sequence
from typing import Annotated, TypeVar

import msgspec
import typer
from rich.markup import escape
from rich.table import Table

from dissonance.cli.output import emit
from dissonance.contracts.times import to_text
from dissonance.errors import InputError
from dissonance.ports.bus import Bus, DeadLetter
from dissonance.settings import read_settings

app = typer.Typer(help="Messages that were given up: list, replay, drop.", no_args_is_help=True)

EVERY = 1_000_000
"""More dead letters than this are handled in several goes."""

T = TypeVar("T")

Sequences = Annotated[list[int] | None, typer.Argument(help="Numbers of dead letters, as `list` shows them.")]
All = Annotated[bool, typer.Option("--all", help="Every dead letter there is now.")]
Data = Annotated[str | None, typer.Option(help="The data folder.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]


class ListedLetter(msgspec.Struct, frozen=True):
    """What `list --json` prints a list of. `died_at` is RFC 3339 in UTC; `rows` is 0 where nobody can tell."""

    sequence: int
    task_id: str
    kind: str
    consumer: str
    reason: str
    rows: int
    died_at: str
    size_bytes: int


class Done(msgspec.Struct, frozen=True, omit_defaults=True):
    """What `replay --json` and `drop --json` print: the numbers that were replayed or dropped."""

    replayed: list[int] = []
    dropped: list[int] = []


@app.command("list")
def list_(
    limit: Annotated[int, typer.Option(min=1, help="The oldest so many.")] = 100,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Show dead letters, oldest first."""
    letters = _with_bus(data, lambda bus: listed(bus, limit))
    emit(letters, as_json, _table(letters) if letters else "There are no dead letters.")


@app.command()
def replay(sequences: Sequences = None, every: All = False, data: Data = None, as_json: AsJson = False) -> None:
    """Hand messages out again on their own topic; what was handled already changes nothing."""
    done = _with_bus(data, lambda bus: replayed(bus, sequences or [], every))
    emit(done, as_json, f"Replayed: {len(done.replayed)}")


@app.command()
def drop(sequences: Sequences = None, every: All = False, data: Data = None, as_json: AsJson = False) -> None:
    """Delete messages for good. The rows in them are in no store."""
    done = _with_bus(data, lambda bus: dropped(bus, sequences or [], every))
    emit(done, as_json, f"Dropped: {len(done.dropped)}")


async def listed(bus: Bus, limit: int) -> list[ListedLetter]:
    return [_listed(letter) for letter in await bus.dead_letters(limit)]


async def replayed(bus: Bus, sequences: Sequence[int], every: bool) -> Done:
    """Stops at the first number that is not there; those before it are replayed."""
    chosen = await _chosen(bus, sequences, every)
    for sequence in chosen:
        await bus.replay_dead_letter(sequence)
    return Done(replayed=chosen)


async def dropped(bus: Bus, sequences: Sequence[int], every: bool) -> Done:
    """Stops at the first number that is not there; those before it are dropped."""
    chosen = await _chosen(bus, sequences, every)
    for sequence in chosen:
        await bus.drop_dead_letter(sequence)
    return Done(dropped=chosen)


async def _chosen(bus: Bus, sequences: Sequence[int], every: bool) -> list[int]:
    if every == bool(sequences):
        raise InputError(
            "numbers or --all, one of the two", where="dead-letters", fix="look first: dissonance dead-letters list"
        )
    return [letter.sequence for letter in await bus.dead_letters(EVERY)] if every else list(sequences)


def _with_bus(data: str | None, use: Callable[[Bus], Awaitable[T]]) -> T:
    from dissonance.bootstrap import open_bus

    variables = dict(os.environ) if data is None else {**os.environ, "DISSONANCE_DATA": data}
    settings = read_settings(variables)

    async def used() -> T:
        async with open_bus(settings) as bus:
            return await use(bus)

    return asyncio.run(used())


def _listed(letter: DeadLetter) -> ListedLetter:
    return ListedLetter(
        sequence=letter.sequence,
        task_id=letter.task_id,
        kind=letter.kind.value,
        consumer=letter.consumer,
        reason=letter.reason,
        rows=letter.rows,
        died_at=to_text(letter.died_at_us),
        size_bytes=len(letter.data),
    )


def _table(letters: Sequence[ListedLetter]) -> Table:
    table = Table(title="Dead letters", caption="Again: dissonance dead-letters replay NUMBER…")
    for heading in ("number", "died at", "consumer", "kind", "rows", "reason"):
        table.add_column(heading, overflow="fold", justify="right" if heading in ("number", "rows") else "left")
    for letter in letters:
        rows = str(letter.rows) if letter.rows else "?"
        cells = (str(letter.sequence), letter.died_at, letter.consumer, letter.kind, rows, letter.reason)
        table.add_row(*map(escape, cells))
    return table
