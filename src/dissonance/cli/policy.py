"""`dissonance policy`: get, set, history, diff."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer
from rich.markup import escape
from rich.table import Table

from dissonance.cli.acting import acting_as
from dissonance.cli.connected import on_system
from dissonance.cli.options import AsJson, Data, TaskName
from dissonance.cli.output import emit
from dissonance.cli.policy_file import read_policy_file
from dissonance.cli.tables import FittingTable
from dissonance.contracts.policy import Policy
from dissonance.contracts.policy_api import PolicyReply
from dissonance.decisions.policy_changes import Difference, Value, changed, differences
from dissonance.errors import PolicyInvalid

if TYPE_CHECKING:
    from dissonance.bootstrap import System
    from dissonance.contracts.events import PolicyChanged

app = typer.Typer(help="The limits of a task: get, set, history, diff.", no_args_is_help=True)


class DifferenceLine(msgspec.Struct, frozen=True):
    """One value that differs between two versions."""

    name: str
    before: Value
    after: Value


class DiffAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What `diff --json` and `set --json` print."""

    task: str
    before_version: int
    after_version: int
    reason: str
    by: str
    differences: list[DifferenceLine]


@app.command()
def get(
    task: TaskName,
    version: Annotated[int | None, typer.Option(help="This version; the one in force when left out.")] = None,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """The policy in force, or as it was: every value, who set it, and why."""
    reply = chosen(_versions(task, data), version)
    emit(reply, as_json, policy_table(reply))


@app.command("set")
def set_(
    task: TaskName,
    values: Annotated[
        list[str] | None, typer.Argument(metavar="[NAME=VALUE]...", help="Values to change, such as KL_eps=0.05.")
    ] = None,
    file: Annotated[Path | None, typer.Option(help="Values to change, as .json or .toml.")] = None,
    reason: Annotated[str, typer.Option(help="Why; kept with the version.")] = "",
    version: Annotated[int | None, typer.Option(help="Only if this version is still in force.")] = None,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Change values. Every role goes by them from its next row on; no restart."""
    from dissonance.roles.meta.handle import MetaController
    from dissonance.roles.meta.routes import checked_reason

    changes = {**(read_policy_file(file, dict[str, Value]) if file is not None else {}), **parse_changes(values or [])}
    why = checked_reason(reason, "--reason")

    async def work(system: System) -> PolicyChanged:
        controller = MetaController(system.store, system.clock)
        found = await system.store.by_name(task)
        event = await controller.change(
            found, lambda before: changed(before, changes), reason=why, by=acting_as(), version=version
        )
        await system.bus.publish([event])
        return event

    now = on_system(data, work).version
    answer = diff_answer(_versions(task, data), now - 1, now)
    emit(answer, as_json, diff_table(answer))


@app.command()
def history(task: TaskName, data: Data = None, as_json: AsJson = False) -> None:
    """Every version, newest first: when, who, why, and what changed."""
    versions = _versions(task, data)
    emit(versions, as_json, history_table(task, versions))


@app.command()
def diff(
    task: TaskName,
    before: Annotated[int | None, typer.Argument(help="A version; the one before AFTER when left out.")] = None,
    after: Annotated[int | None, typer.Argument(help="A version; the one in force when left out.")] = None,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """What differs between two versions."""
    versions = _versions(task, data)
    newer = chosen(versions, after).policy.version
    answer = diff_answer(versions, max(1, newer - 1) if before is None else before, newer)
    emit(answer, as_json, diff_table(answer))


def parse_changes(values: list[str]) -> dict[str, Value]:
    """`NAME=VALUE` each. Raises `PolicyInvalid`.

    >>> parse_changes(["KL_eps=0.05"])
    {'KL_eps': '0.05'}
    """
    for value in values:
        if "=" not in value:
            raise PolicyInvalid(f"'{value}' is no change", where="NAME=VALUE", fix="write it as KL_eps=0.05")
    return {name.strip(): text.strip() for name, _, text in (value.partition("=") for value in values)}


def chosen(versions: list[PolicyReply], version: int | None) -> PolicyReply:
    """That version, else the newest. Raises `PolicyInvalid`."""
    for reply in versions:
        if version is None or reply.policy.version == version:
            return reply
    raise PolicyInvalid(
        f"there is no version {version}",
        where="version",
        fix=f"the versions are {versions[-1].policy.version} to {versions[0].policy.version}",
    )


def diff_answer(versions: list[PolicyReply], before: int, after: int) -> DiffAnswer:
    """Raises `PolicyInvalid` for a version that there is not."""
    old, new = chosen(versions, before), chosen(versions, after)
    return DiffAnswer(
        task=new.task,
        before_version=before,
        after_version=after,
        reason=new.reason,
        by=new.by,
        differences=[DifferenceLine(*each) for each in differences(old.policy, new.policy)],
    )


def policy_table(reply: PolicyReply) -> Table:
    table = Table(title=f"Policy {reply.policy.version} of {reply.task}", caption=_who(reply), show_header=False)
    table.add_column(style="bold")
    table.add_column(overflow="fold")
    default = msgspec.structs.asdict(Policy())
    for name, value in msgspec.structs.asdict(reply.policy).items():
        mark = "" if name == "version" or value == default[name] else f"  [dim](default {default[name]})[/dim]"
        table.add_row(name, f"{escape(str(value))}{mark}")
    return table


def diff_table(answer: DiffAnswer) -> Table:
    table = FittingTable(
        title=f"Policy of {answer.task}: version {answer.before_version} → {answer.after_version}",
        caption=escape(f"{answer.by}: {answer.reason}"),
    )
    for heading in ("value", f"version {answer.before_version}", f"version {answer.after_version}"):
        table.add_column(heading, overflow="fold")
    for line in answer.differences:
        table.add_row(line.name, str(line.before), str(line.after))
    return table


def history_table(task: str, versions: list[PolicyReply]) -> Table:
    table = FittingTable(title=f"Policies of {task}")
    for heading in ("version", "set at", "by", "why", "what changed"):
        table.add_column(heading, overflow="fold")
    older: list[PolicyReply | None] = [*versions[1:], None]
    for reply, before in zip(versions, older, strict=True):
        what = [] if before is None else differences(before.policy, reply.policy)
        cells = (str(reply.policy.version), reply.set_at[:16].replace("T", " "), reply.by, reply.reason, _listed(what))
        table.add_row(*map(escape, cells))
    return table


def _listed(what: list[Difference]) -> str:
    return "\n".join(f"{each.name} {each.before} → {each.after}" for each in what)


def _who(reply: PolicyReply) -> str:
    return escape(f"set {reply.set_at[:16].replace('T', ' ')} by {reply.by}: {reply.reason}")


def _versions(task: str, data: str | None) -> list[PolicyReply]:
    from dissonance.roles.meta.routes import policy_reply

    async def work(system: System) -> list[PolicyReply]:
        found = await system.store.by_name(task)
        return [policy_reply(task, record) for record in await system.store.policy_history(found.task_id)]

    return on_system(data, work)
