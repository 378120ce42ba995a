"""`dissonance dead-letters`: messages that were given up, with their reason; hand them out again, or drop them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Annotated, Any, TypeVar

import msgspec
import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from dissonance.cli.options import AsJson, Data, variables_of
from dissonance.cli.output import emit, progress
from dissonance.cli.private_files import private_file
from dissonance.cli.tables import FittingTable
from dissonance.contracts.codec import decode
from dissonance.contracts.columns import columns
from dissonance.contracts.times import to_text
from dissonance.contracts.topics import EventKind
from dissonance.errors import ContractError, InputError
from dissonance.ports.bus import Bus, DeadLetter
from dissonance.settings import read_settings

app = typer.Typer(help="Messages that were given up: list, show, replay, drop.", no_args_is_help=True)

PAGE = 200
"""Dead letters read at once: they hold what they were, megabytes at worst."""

T = TypeVar("T")
Advance = Callable[[int], None]

Sequences = Annotated[list[int] | None, typer.Argument(metavar="[NUMBER]…", help="As `list` shows them.")]
All = Annotated[bool, typer.Option("--all", help="Every dead letter there is now.")]
Consumer = Annotated[str | None, typer.Option(help="Only those that this consumer gave up.")]
Kind = Annotated[EventKind | None, typer.Option(help="Only events of this kind.")]
TaskId = Annotated[str | None, typer.Option(help="Only those of the task with this id.")]
Reason = Annotated[str | None, typer.Option(help="Only those whose reason has this in it.")]


class Filter(msgspec.Struct, frozen=True):
    """Which dead letters; what is None leaves all of them."""

    consumer: str | None = None
    kind: EventKind | None = None
    task_id: str | None = None
    reason: str | None = None

    def takes(self, letter: DeadLetter) -> bool:
        return (
            self.consumer in (None, letter.consumer)
            and self.kind in (None, letter.kind)
            and self.task_id in (None, letter.task_id)
            and (self.reason is None or self.reason in letter.reason)
        )


EVERY = Filter()


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


class ShownLetter(ListedLetter, frozen=True, kw_only=True):
    """What `show --json` prints. `event`: the fields that speak of the whole event; of columns their lengths. Where the
    bytes are no event of this version `unreadable` says why."""

    event: dict[str, Any] = {}
    column_lengths: dict[str, int] = {}
    unreadable: str | None = None


class Done(msgspec.Struct, frozen=True, omit_defaults=True):
    """What `replay --json` and `drop --json` print: the numbers that were replayed or dropped."""

    replayed: list[int] = []
    dropped: list[int] = []


@app.command("list")
def list_(
    limit: Annotated[int, typer.Option(min=1, help="The oldest so many.")] = 100,
    consumer: Consumer = None,
    kind: Kind = None,
    task_id: TaskId = None,
    reason: Reason = None,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Show dead letters, oldest first."""
    which = Filter(consumer, kind, task_id, reason)
    letters = _with_bus(data, lambda bus: listed(bus, limit, which))
    emit(letters, as_json, _table(letters) if letters else "There are no dead letters.")


@app.command()
def show(
    number: Annotated[int, typer.Argument(help="As `list` shows it.")],
    out: Annotated[Path | None, typer.Option(help="Write the message's bytes to this file, as they were.")] = None,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """All that one dead letter says of itself. What is about people in it stays sealed."""
    letter = _with_bus(data, lambda bus: found(bus, number))
    if out is not None:
        with private_file(out) as file:
            file.write(letter.data)
    shown = described(letter)
    emit(shown, as_json, lambda console: _show(console, shown))


@app.command()
def replay(
    sequences: Sequences = None,
    every: All = False,
    consumer: Consumer = None,
    kind: Kind = None,
    task_id: TaskId = None,
    reason: Reason = None,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Hand messages out again on their own topic; what was handled already changes nothing."""
    which = chosen(sequences or [], every, Filter(consumer, kind, task_id, reason))
    with progress("handing out again", quiet=as_json, unit="messages") as advance:
        done = _with_bus(data, lambda bus: replayed(bus, which, advance))
    emit(done, as_json, f"Replayed: {len(done.replayed)}")


@app.command()
def drop(
    sequences: Sequences = None,
    every: All = False,
    consumer: Consumer = None,
    kind: Kind = None,
    task_id: TaskId = None,
    reason: Reason = None,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Delete messages for good. The rows in them are in no store."""
    which = chosen(sequences or [], every, Filter(consumer, kind, task_id, reason))
    with progress("dropping", quiet=as_json, unit="messages") as advance:
        done = _with_bus(data, lambda bus: dropped(bus, which, advance))
    emit(done, as_json, f"Dropped: {len(done.dropped)}")


async def listed(bus: Bus, limit: int, which: Filter = EVERY) -> list[ListedLetter]:
    letters: list[ListedLetter] = []
    after = 0
    while len(letters) < limit and (page := await bus.dead_letters(min(limit, PAGE), after)):
        letters += [_listed(letter) for letter in page if which.takes(letter)]
        after = page[-1].sequence
    return letters[:limit]


async def found(bus: Bus, sequence: int) -> DeadLetter:
    """Raises `InputError` when it is not there."""
    page = await bus.dead_letters(1, sequence - 1) if sequence > 0 else []
    if not page or page[0].sequence != sequence:
        raise InputError(
            f"there is no dead letter {sequence}", where="dead-letters", fix="list them: dissonance dead-letters list"
        )
    return page[0]


async def replayed(bus: Bus, which: Sequence[int] | Filter, advance: Advance = lambda count: None) -> Done:
    """Stops at the first number that is not there; those before it are replayed."""
    return Done(replayed=await _each(bus, which, bus.replay_dead_letter, advance))


async def dropped(bus: Bus, which: Sequence[int] | Filter, advance: Advance = lambda count: None) -> Done:
    """Stops at the first number that is not there; those before it are dropped."""
    return Done(dropped=await _each(bus, which, bus.drop_dead_letter, advance))


def chosen(sequences: Sequence[int], every: bool, which: Filter) -> Sequence[int] | Filter:
    """The numbers, or the filter that says which. Raises `InputError` unless it is said in one way."""
    if (sequences and (every or which != EVERY)) or not (sequences or every or which != EVERY):
        raise InputError(
            "either numbers, or --all or what they have in common",
            where="dead-letters",
            fix="look first: dissonance dead-letters list",
        )
    return sequences or which


async def _each(
    bus: Bus, which: Sequence[int] | Filter, deed: Callable[[int], Awaitable[None]], advance: Advance
) -> list[int]:
    done: list[int] = []
    if not isinstance(which, Filter):
        for sequence in which:
            await deed(sequence)
            done.append(sequence)
            advance(1)
        return done
    after = 0
    while page := await bus.dead_letters(PAGE, after):
        for letter in filter(which.takes, page):
            await deed(letter.sequence)
            done.append(letter.sequence)
            advance(1)
        after = page[-1].sequence
    return done


def _with_bus(data: str | None, use: Callable[[Bus], Awaitable[T]]) -> T:
    from dissonance.bootstrap import open_bus

    variables = variables_of(data)
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


def described(letter: DeadLetter) -> ShownLetter:
    """No column is shown: what is sealed in one says nothing, and ids are many."""
    known = msgspec.structs.asdict(_listed(letter))
    try:
        event = decode(letter.data)
    except ContractError as error:
        return ShownLetter(**known, unreadable=str(error.what))
    lists = columns(event)
    plain = {
        name: getattr(event, name).hex() if isinstance(getattr(event, name), bytes) else getattr(event, name)
        for name in event.__struct_fields__
        if name not in lists
    }
    return ShownLetter(**known, event=plain, column_lengths={name: len(column) for name, column in lists.items()})


def _show(console: Console, shown: ShownLetter) -> None:
    table = Table(title=f"Dead letter {shown.sequence}", show_header=False)
    table.add_column(overflow="fold", style="bold")
    table.add_column(overflow="fold")
    lines = [(name, getattr(shown, name)) for name in ListedLetter.__struct_fields__ if name != "sequence"]
    lines += [("not readable", shown.unreadable)] if shown.unreadable is not None else list(shown.event.items())
    lines += [(name, f"{length} of them") for name, length in shown.column_lengths.items()]
    for name, value in lines:
        table.add_row(name.replace("_", " "), escape(str(value)))
    console.print(table)


def _table(letters: Sequence[ListedLetter]) -> Table:
    table = FittingTable(title="Dead letters", caption="More of one: dissonance dead-letters show NUMBER")
    for heading in ("number", "died at", "consumer", "kind", "rows", "reason"):
        table.add_column(heading, overflow="fold", justify="right" if heading in ("number", "rows") else "left")
    for letter in letters:
        rows = str(letter.rows) if letter.rows else "?"
        cells = (str(letter.sequence), letter.died_at, letter.consumer, letter.kind, rows, letter.reason)
        table.add_row(*map(escape, cells))
    return table
