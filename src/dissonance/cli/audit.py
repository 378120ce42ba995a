"""`dissonance audit`: look at everything once, and say what is wrong and how to mend it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import RenderableType
from rich.markup import escape
from rich.table import Table

from dissonance.cli.connected import on_system
from dissonance.cli.options import AsJson, Data
from dissonance.cli.output import emit, progress
from dissonance.contracts.finding_api import FindingReply

if TYPE_CHECKING:
    from dissonance.bootstrap import System
    from dissonance.roles.auditor.handle import Auditor

FOUND = 1
"""Exit code when something worse than a note is open."""

COLOURS = {"note": "cyan", "warning": "yellow", "error": "red", "critical": "bold red"}


def audit(
    task: Annotated[
        str | None, typer.Argument(metavar="[TASK]", help="Show findings of this task only; all when left out.")
    ] = None,
    resolved: Annotated[bool, typer.Option(help="Show what is resolved, too.")] = False,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Engines, keys, consumers, disk, clocks, models, schemas, policies, dissonance, budgets, labels: what is wrong.

    Findings are kept and told on the bus, as the auditor role does every minute. Exit code 1 when something worse than
    a note is open.
    """

    from dissonance.roles.auditor.routes import finding_reply

    async def work(system: System) -> list[FindingReply]:
        task_id = None if task is None else (await system.store.by_name(task)).task_id
        await auditor_of(system).audit()
        return [finding_reply(each) for each in await system.store.findings(task_id, include_resolved=resolved)]

    with progress("looking at everything", quiet=as_json):
        found = on_system(data, work)
    emit(found, as_json, findings_table(found))
    raise typer.Exit(FOUND if any(is_bad(finding) for finding in found) else 0)


def auditor_of(system: System) -> Auditor:
    from dissonance.roles.auditor.handle import Auditor
    from dissonance.roles.auditor.observe import Observed, Observer
    from dissonance.roles.loading import RegistryLoader

    observed = Observed(
        store=system.store,
        keys=system.keys,
        bus=system.bus,
        registry=system.registry,
        models=RegistryLoader(system.registry, system.artefact_keys),
        host=system.host,
        clock=system.clock,
        breakers=system.breakers,
    )
    return Auditor(Observer(observed), system.store, system.bus, system.clock)


def is_bad(finding: FindingReply) -> bool:
    return finding.resolved_at is None and finding.severity != "note"


def findings_table(found: list[FindingReply]) -> RenderableType:
    """The worst first."""
    if not found:
        return "[green]Nothing is wrong.[/green]"
    table = Table(title="Findings", show_lines=True)
    for heading in ("severity", "what", "how to mend it", "since"):
        table.add_column(heading, overflow="fold")
    for each in found:
        gone = "" if each.resolved_at is None else f"\nresolved {_minute(each.resolved_at)}"
        colour = "dim" if gone else COLOURS[each.severity]
        what = f"[bold]{each.code}[/bold] {escape(each.subject)}\n{escape(each.what)}"
        table.add_row(f"[{colour}]{each.severity}[/{colour}]", what, escape(each.fix), _minute(each.first_seen) + gone)
    return table


def _minute(time: str) -> str:
    return time[:16].replace("T", " ")
