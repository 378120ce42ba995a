"""`dissonance audit-log`: list, verify, export: who did what to what, when, from where, and whether they might."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, BinaryIO

import msgspec
import typer
from rich.markup import escape
from rich.table import Table

from dissonance.cli.chain_words import BROKEN, chain_words
from dissonance.cli.connected import on_system
from dissonance.cli.options import AsJson, Data
from dissonance.cli.output import emit, share_done
from dissonance.cli.private_files import private_file
from dissonance.cli.tables import FittingTable
from dissonance.contracts.accesses import Outcome
from dissonance.contracts.counts import counted
from dissonance.contracts.times import to_text, to_us
from dissonance.ports.accesses import KeptAccess, WantedAccesses

if TYPE_CHECKING:
    from dissonance.bootstrap import System
    from dissonance.pipeline.verifying_accesses import VerifiedAccesses

app = typer.Typer(help="Who did what, and was it allowed: list, verify, export.", no_args_is_help=True)

LINKS_AT_ONCE = 200

Who = Annotated[str | None, typer.Option(help="Holder of the token, or account.")]
What = Annotated[str | None, typer.Option(help="A part of the route, method or command.")]
TaskName = Annotated[str | None, typer.Option("--task", help="A task.")]
Source = Annotated[str | None, typer.Option("--source", help="Address of the client, or machine of a command.")]
OutcomeName = Annotated[Outcome | None, typer.Option(help="What was answered.")]
Start = Annotated[str | None, typer.Option("--from", metavar="TIME", help="From then on, RFC 3339.")]
End = Annotated[str | None, typer.Option("--to", metavar="TIME", help="Before then.")]


class AccessLine(msgspec.Struct, frozen=True, kw_only=True):
    """One line of `list --json` and of `export`. `link`, `position`: where the chain holds it. Times: RFC 3339."""

    link: int
    position: int
    first: str
    last: str
    count: int
    who: str
    source: str
    what: str
    task: str
    permission: str
    outcome: Outcome
    reason: str
    status: int
    request_id: str


class VerifyAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What `verify --json` prints. `fault`, `link` and `what` name the first thing that is broken."""

    holds: bool
    links: int
    accesses: int
    attempts: int
    anchors: int
    fault: str | None
    link: int | None
    what: str | None


@app.command("list")
def list_(
    who: Who = None,
    what: What = None,
    of_task: TaskName = None,
    source: Source = None,
    outcome: OutcomeName = None,
    start: Start = None,
    end: End = None,
    limit: Annotated[int, typer.Option(min=1, help="At most so many.")] = 100,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Accesses, the newest first. Predictions and what is only read are counted by holder and minute."""
    wanted = wanted_of(who, what, of_task, source, outcome, start, end)

    async def work(system: System) -> list[AccessLine]:
        await take_in(system)
        return [line_of(kept) for kept in await system.store.accesses(wanted, limit)]

    found = on_system(data, work)
    emit(found, as_json, accesses_table(found) if found else "Nothing of that kind.")


@app.command()
def verify(data: Data = None, as_json: AsJson = False) -> None:
    """Verify every link of the trail's hash chain, its anchors outside the database, and what it is searched by.

    Exit code 1 when something does not hold; the first such thing is named.
    """
    from dissonance.pipeline.verifying_accesses import verify_accesses

    async def work(system: System) -> VerifiedAccesses:
        await take_in(system)
        with share_done("verifying", quiet=as_json) as follow:
            return await verify_accesses(system, follow)

    answer = verify_answer(on_system(data, work))
    emit(answer, as_json, verified_words(answer))
    raise typer.Exit(0 if answer.holds else BROKEN)


@app.command()
def export(
    out: Annotated[Path | None, typer.Option(help="A file; it is written anew. Default: the standard output.")] = None,
    who: Who = None,
    what: What = None,
    of_task: TaskName = None,
    source: Source = None,
    outcome: OutcomeName = None,
    start: Start = None,
    end: End = None,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Write accesses as JSON Lines, the oldest first; with --out and --json says how many."""
    wanted = wanted_of(who, what, of_task, source, outcome, start, end)

    async def work(system: System) -> int:
        await take_in(system)
        if out is None:
            return await _write(system, wanted, sys.stdout.buffer)
        with private_file(out) as file:
            return await _write(system, wanted, file)

    lines = on_system(data, work)
    if out is not None:
        said = f"{counted(lines, 'access', 'accesses')} in {escape(str(out))}"
        emit({"lines": lines, "file": str(out)}, as_json, said)


async def _write(system: System, wanted: WantedAccesses, file: BinaryIO) -> int:
    lines = 0
    async for kept in _oldest_first(system):
        if wanted.includes(kept.access):
            file.write(msgspec.json.encode(line_of(kept)) + b"\n")
            lines += 1
    file.flush()
    return lines


async def _oldest_first(system: System) -> AsyncIterator[KeptAccess]:
    from dissonance.contracts.events import WHOLE_SYSTEM

    head = await system.store.chain_head(WHOLE_SYSTEM)
    for first in range(1, head.link + 1, LINKS_AT_ONCE):
        for kept in await system.store.accesses_of(first, min(first + LINKS_AT_ONCE - 1, head.link)):
            yield kept


async def take_in(system: System) -> None:
    """What commands and processes that ended left on this machine's disk, this command among them."""
    from dissonance.adapters.spool.accesses import SPOOL_BYTES, SpoolingAccesses
    from dissonance.adapters.spool.spool import Spool
    from dissonance.telemetry.metrics import Metrics

    spool = Spool(system.settings.access_spool, system.randomness.token(8).hex(), SPOOL_BYTES)
    nothing_of_its_own = SpoolingAccesses(
        system.store,
        spool,
        system.anchors,
        lambda *, everything=False: [],
        by="command",
        randomness=system.randomness,
        metrics=Metrics(),
    )
    await nothing_of_its_own.close()


def wanted_of(
    who: str | None,
    what: str | None,
    task: str | None,
    source: str | None,
    outcome: Outcome | None,
    start: str | None,
    end: str | None,
) -> WantedAccesses:
    """Raises `InputError` for a time that is none."""
    every = WantedAccesses()
    return WantedAccesses(
        who=who,
        what=what,
        task=task,
        source=source,
        outcome=outcome,
        start_us=every.start_us if start is None else to_us(start, "--from"),
        end_us=every.end_us if end is None else to_us(end, "--to"),
    )


def line_of(kept: KeptAccess) -> AccessLine:
    access = kept.access
    return AccessLine(
        link=kept.link,
        position=kept.position,
        first=to_text(access.first_us),
        last=to_text(access.last_us),
        count=access.count,
        who=access.who,
        source=access.source,
        what=access.what,
        task=access.task,
        permission=access.permission,
        outcome=access.outcome,
        reason=access.reason,
        status=access.status,
        request_id=access.request_id,
    )


def verify_answer(verified: VerifiedAccesses) -> VerifyAnswer:
    broken = verified.broken
    return VerifyAnswer(
        holds=broken is None,
        links=verified.links,
        accesses=verified.accesses,
        attempts=verified.attempts,
        anchors=verified.anchors,
        fault=None if broken is None else broken.fault.value,
        link=None if broken is None or not broken.link else broken.link,
        what=None if broken is None else broken.what,
    )


def verified_words(answer: VerifyAnswer) -> str:
    seen = (
        f"{counted(answer.links, 'link')} with {counted(answer.accesses, 'access', 'accesses')}, which stand for "
        f"{counted(answer.attempts, 'attempt')}, and {counted(answer.anchors, 'anchor')}"
    )
    return chain_words(answer.fault, answer.what, seen)


def accesses_table(lines: list[AccessLine]) -> Table:
    table = FittingTable(title="Accesses")
    for heading in ("last", "times", "who (from)", "what (task)", "answer"):
        table.add_column(heading, overflow="fold", justify="right" if heading == "times" else "left")
    for line in lines:
        colour = "red" if line.outcome is Outcome.DENIED else "green"
        answer = f"[{colour}]{line.outcome}[/{colour}] {line.reason or line.status or ''}".strip()
        table.add_row(
            line.last[:19].replace("T", " "),
            f"{line.count:,}",
            escape(f"{line.who or 'nobody'} ({line.source})"),
            escape(f"{line.what} ({line.task})" if line.task else line.what),
            answer,
        )
    return table
