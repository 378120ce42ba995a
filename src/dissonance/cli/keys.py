"""`dissonance keys`: list, rotate, revoke, destroy, sweep, protect: the life of the keys that other keys rest under."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from dissonance.adapters.keys.documents import GuardName
from dissonance.cli.connected import on_system
from dissonance.cli.options import AsJson, Data, variables_of
from dissonance.cli.output import emit, progress, share_done
from dissonance.cli.token import require_keys
from dissonance.contracts.counts import counted
from dissonance.contracts.times import to_text
from dissonance.settings import read_settings

if TYPE_CHECKING:
    from dissonance.bootstrap import System
    from dissonance.ports.key_versions import KeyVersion

app = typer.Typer(help="Key-encryption keys: list, rotate, revoke, destroy, sweep, protect.", no_args_is_help=True)

Version = Annotated[int, typer.Argument(metavar="VERSION", min=1, help="As keys list shows it.")]


class KeyLine(msgspec.Struct, frozen=True, kw_only=True):
    """One version. `state`: active, retired, revoked or destroyed; `data_keys`, `spare_keys`: that rest under it.
    `part`, of it in the key folder: yes, no (one of before there were parts), missing, damaged, unreadable (to this
    account, or a symbolic link), destroyed, or left over (of one that is destroyed: destroy it again)."""

    version: int
    state: str
    made_at: str
    changed_at: str
    data_keys: int
    spare_keys: int
    part: str


class KeysAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What these commands print with --json. `root_guard`: who keeps the root key, that the others rest under: file,
    passphrase or transit. `rewrapped`: keys that this command wrapped anew. `unneeded_parts`: files in the key folder
    that belong to no version."""

    root_guard: str
    keys: list[KeyLine]
    rewrapped: int = 0
    unneeded_parts: int = 0


class ProtectAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What `protect --json` prints: who keeps the root key from now on, and the folder that it is in."""

    root_guard: str
    folder: str


@app.command("list")
def list_(data: Data = None, as_json: AsJson = False) -> None:
    """Every version of the key-encryption key, and how many data keys rest under it."""

    async def work(system: System) -> KeysAnswer:
        return await keys_answer(system)

    _tell(on_system(data, work), as_json)


@app.command()
def rotate(
    root: Annotated[bool, typer.Option(help="Also renew what the guard of the root key keeps it under.")] = False,
    resume: Annotated[bool, typer.Option(help="Make no new key: only wrap what a rotation left over.")] = False,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Make a new key-encryption key, and wrap every data key under it, while the system works.

    Rows are not touched. What was cut short is finished by --resume. Back up the key folder afterwards: a part of the
    new key is there, without which nothing opens.
    """

    async def work(system: System) -> KeysAnswer:
        versions = system.keys.versions
        if root:
            await asyncio.to_thread(_renew, system)
        if not resume:
            await versions.rotate()
        with share_done("wrapping data keys anew", quiet=as_json) as follow:
            done = await versions.rewrap(follow)
        return await keys_answer(system, done)

    _tell(on_system(data, work), as_json, "Back up the key folder now: without the new key's part nothing opens.")


@app.command()
def revoke(version: Version, data: Data = None, as_json: AsJson = False) -> None:
    """Open nothing with a version any more, as when it may have been seen; refused while data keys rest under it."""

    async def work(system: System) -> KeysAnswer:
        await system.keys.versions.revoke(version)
        return await keys_answer(system)

    _tell(on_system(data, work), as_json)


@app.command()
def destroy(
    version: Version,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Delete a version for ever; refused while data keys rest under it.

    With its part in the key folder gone, no copy of the keys database from before the rotation opens with that folder.
    One that was cut short is finished by the same command.
    """
    if not yes:
        typer.confirm(
            f"Destroy key-encryption key {version}? Nothing brings it back, and copies of the keys database in which "
            "data keys rest under it open no more: make a new one, and one of the key folder, first.",
            abort=True,
            err=True,
        )

    async def work(system: System) -> KeysAnswer:
        await system.keys.versions.destroy(version)
        return await keys_answer(system)

    _tell(on_system(data, work), as_json, "Copy the key folder anew, then delete older copies: they hold its part.")


@app.command()
def sweep(
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Delete for ever the parts in the key folder that belong to no version, as of a rotation that was cut short.

    What a rotation makes at this moment is left alone. A restored keys database knows no version that was made after
    it: with their parts gone, no copy in which they are opens any more.
    """
    if not yes:
        typer.confirm(
            "Delete the parts of key-encryption keys that are not in this keys database? Nothing brings them back, and "
            "another copy of the database, in which they are, opens no more.",
            abort=True,
            err=True,
        )

    async def work(system: System) -> KeysAnswer:
        await system.keys.versions.sweep()
        return await keys_answer(system)

    _tell(on_system(data, work), as_json)


@app.command()
def protect(
    guard: Annotated[GuardName, typer.Argument(help="Who keeps it from now on; file: whoever can read its file.")],
    new_passphrase: Annotated[
        str, typer.Option(metavar="SOURCE", help="Where another passphrase is: file:PATH, fd:N, keyring:SERVICE/NAME.")
    ] = "",
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Give the root key, that all others rest under, to a guard: a passphrase, or OpenBao's transit engine.

    Processes that run go on as they are; each start asks the guard (DISSONANCE_KEY_PASSPHRASE, DISSONANCE_OPENBAO_…).
    """
    from dissonance.adapters.clock import SystemRandomness
    from dissonance.bootstrap_keys import key_guards, open_key_folder

    variables = variables_of(data)
    settings, randomness = read_settings(variables), SystemRandomness()
    after = msgspec.structs.replace(settings, key_passphrase=new_passphrase) if new_passphrase else settings
    with progress("protecting the root key", quiet=as_json):
        require_keys(settings.keys_folder)
        folder = open_key_folder(settings, randomness).protect(key_guards(after, randomness), guard, randomness)
    answer = ProtectAnswer(root_guard=folder.guard.value, folder=str(folder.folder))
    emit(answer, as_json, f"The root key in {escape(answer.folder)} is guarded by: {answer.root_guard}.")


async def keys_answer(system: System, rewrapped: int = 0) -> KeysAnswer:
    versions = system.keys.versions
    return KeysAnswer(
        root_guard=system.key_folder.guard.value,
        keys=[key_line(each) for each in await versions.all()],
        rewrapped=rewrapped,
        unneeded_parts=await versions.unneeded_parts(),
    )


def key_line(found: KeyVersion) -> KeyLine:
    return KeyLine(
        version=found.version,
        state=found.state.value,
        made_at=to_text(found.made_at_us),
        changed_at=to_text(found.changed_at_us),
        data_keys=found.data_keys,
        spare_keys=found.spare_keys,
        part=found.part.value,
    )


def keys_table(answer: KeysAnswer) -> Table:
    again = f"; {counted(answer.rewrapped, 'key was', 'keys were')} wrapped anew" if answer.rewrapped else ""
    caption = f"The root key is guarded by: {answer.root_guard}{again}"
    if answer.unneeded_parts:
        files = counted(answer.unneeded_parts, "file in versions belongs", "files in versions belong")
        caption += f"\n{files} to no version: dissonance keys sweep"
    table = Table(title="Key-encryption keys", caption=caption, pad_edge=False)
    for heading in ("version", "data\nkeys", "spare\nkeys"):
        table.add_column(heading, justify="right", no_wrap=True)
    for heading in ("state", "part"):
        table.add_column(heading, no_wrap=True)
    for heading in ("made at", "changed at"):
        table.add_column(heading)
    for line in answer.keys:
        numbers = (f"{line.version}", f"{line.data_keys:,}", f"{line.spare_keys:,}")
        table.add_row(*numbers, line.state, line.part, _shown(line.made_at), _shown(line.changed_at))
    return table


def _shown(time: str) -> str:
    """To the second, so that a table fits a terminal of 80 columns."""
    return f"{time[:10]} {time[11:19]}"


def _renew(system: System) -> None:
    from dissonance.bootstrap_keys import key_guards

    system.key_folder.renew(key_guards(system.settings, system.randomness, system.breakers))


def _tell(answer: KeysAnswer, as_json: bool, *advice: str) -> None:
    def shown(console: Console) -> None:
        console.print(keys_table(answer), *advice, sep="\n")

    emit(answer, as_json, shown)
