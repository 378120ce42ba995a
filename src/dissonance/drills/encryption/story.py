"""One run: canaries through everything, the broker away at the end, all of it stopped, and every byte searched."""

from __future__ import annotations

import asyncio
import os
import signal
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final, NamedTuple
from urllib.parse import urlsplit, urlunsplit

from dissonance.adapters.clock import SystemRandomness
from dissonance.adapters.postgres.copying import every_row
from dissonance.drills.encryption.asked import PREDICT, ask_everything
from dissonance.drills.encryption.canaries import Canaries, patterns_of
from dissonance.drills.encryption.commanded import command_everything
from dissonance.drills.encryption.finding import Finds
from dissonance.drills.encryption.leftovers import left_behind
from dissonance.drills.encryption.other_ways import ask_over_grpc, knock_at_engines, send_what_is_no_event
from dissonance.drills.encryption.stage import PROPOSER, Places, Stage, staged
from dissonance.drills.encryption.wire import Wire
from dissonance.errors import TimedOut

Say = Callable[[str], None]

DEAD_S: Final = 120.0
LOOK_S: Final = 0.5
DATABASES: Final = ("dissonance", "dissonance_keys", "mlflow")
SPOOLED: Final = "spooled"
PLANTED: Final = "planted"


class Looked(NamedTuple):
    """What one run left. `rest`: in files and databases; `wire`: None where nobody could look; `told`: what commands
    wrote and printed for who asked; `planted`: folders in which a file with a canary was laid at the end, and `seen`
    those in which it was found."""

    channels: list[str]
    rest: Finds
    wire: Finds | None
    told: Finds
    packets: int
    dropped: int
    planted: int
    seen: int


async def run_once(folder: Path, say: Say, *, is_control: bool) -> Looked:
    """The system in `folder`, from its start to the end of the search."""
    places, canaries = Places(folder), Canaries(SystemRandomness())
    shared = Path(tempfile.gettempdir())
    before = frozenset(shared.iterdir())
    with _listening(places.packets) as wire:
        async with staged(places, canaries, is_control=is_control) as stage:
            say("the system is up, on a task made of canaries")
            await _send_everything(stage, say)
            rows = await asyncio.to_thread(_rows_of, stage, places.root / "rows")
        say("all of it is stopped; searching")
    left = [path for path in left_behind(shared, before) if not folder.is_relative_to(path)]
    return await asyncio.to_thread(_look, places, canaries, rows, left, wire)


async def _send_everything(stage: Stage, say: Say) -> None:
    ids = await ask_everything(stage)
    say("asked by HTTP: rows, labels, reasons, credentials, and what is refused")
    await ask_over_grpc(stage)
    await knock_at_engines(stage)
    await command_everything(stage, ids[4])
    say("commands have had their files, reasons and people")
    await send_what_is_no_event(stage)
    await _dead(stage)
    await _without_broker(stage)
    say("a dead letter lies there, and a row on the proposer's disk")


async def _dead(stage: Stage) -> None:
    try:
        async with asyncio.timeout(DEAD_S):
            while not await stage.command("dead-letters", "list"):
                await asyncio.sleep(LOOK_S)
    except TimeoutError as error:
        raise TimedOut("nothing became a dead letter", where="drill", fix="read the log of 'backstage'") from error


async def _without_broker(stage: Stage) -> None:
    """A row that is answered while the broker stands still stays on the proposer's disk, which ends with it."""
    broker = stage.broker_pid
    os.kill(broker, signal.SIGSTOP)
    try:
        await stage.ask(PREDICT, {"rows": [stage.given.row(SPOOLED)]})
        await stage.running.kill(PROPOSER)
    finally:
        os.kill(broker, signal.SIGCONT)


def _rows_of(stage: Stage, folder: Path) -> list[Path]:
    """Every database as text, in files beside what is searched: PostgreSQL compresses long values in its own."""
    folder.mkdir()
    written = []
    for name in DATABASES:
        url = urlunsplit(urlsplit(stage.addresses["database_url"])._replace(path=f"/{name}"))
        path = folder / name
        with path.open("wb") as file:
            file.writelines(every_row(url))
        written.append(path)
    return written


def _look(places: Places, canaries: Canaries, rows: list[Path], left: list[Path], wire: Wire | None) -> Looked:
    planted = Canaries(SystemRandomness())
    for folder in places.searched:
        name = f"{PLANTED} in {folder.name}"
        (folder / "planted").write_text(planted.text(name))
    forms = patterns_of([*canaries.forms(), *planted.forms()])
    rest = Finds(forms)
    for folder in places.searched:
        rest.search_folder(places.root, folder)
    for path in rows:
        rest.search_file(f"database {path.name}", path)
    for path in left:
        rest.search_folder(path.parent, path)
    seen = sum(rest.places.pop(name, None) is not None for name in planted.channels)
    told = Finds(forms)
    told.search_folder(places.root, places.taken)
    if wire is None:
        return Looked(canaries.channels, rest, None, told, 0, 0, len(planted.channels), seen)
    went = Finds(forms)
    gone = wire.seen(went.searcher)
    went.note("loopback", gone.found)
    went.bytes = gone.bytes
    return Looked(canaries.channels, rest, went, told, gone.packets, gone.dropped, len(planted.channels), seen)


@contextmanager
def _listening(file: Path) -> Iterator[Wire | None]:
    """None where this process may not listen, or this system has no such sockets."""
    with ExitStack() as stack:
        try:
            wire = stack.enter_context(Wire(file))
        except (OSError, AttributeError):
            wire = None
        yield wire
