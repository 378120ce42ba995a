"""`dissonance replays`: replays that were kept, and what came out otherwise in them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer
from rich.markup import escape
from rich.table import Table

from dissonance.cli.connected import on_system
from dissonance.cli.options import AsJson, Data, TaskName
from dissonance.cli.output import add_id_column, emit
from dissonance.cli.tables import FittingTable
from dissonance.contracts.ids import id_text
from dissonance.contracts.times import to_text
from dissonance.errors import InputError
from dissonance.ports.replays import ReplayedVerdict, ReplayRecord

if TYPE_CHECKING:
    from dissonance.bootstrap import System


class KeptReplay(msgspec.Struct, frozen=True):
    """What `replays --json` prints a list of. `start`, `end`: event time, RFC 3339; null = without that bound."""

    replay_id: str
    policy: str
    start: str | None
    end: str | None
    rows: int
    differing: int
    links: int
    made_at: str


class KeptVerdict(msgspec.Struct, frozen=True):
    """What `replays --id … --json` prints a list of."""

    prediction_id: str
    event_time: str
    recorded: str
    replayed: str


def replays_command(
    task: TaskName,
    replay_id: Annotated[str | None, typer.Option("--id", help="Show what came out otherwise in this one.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="At most so many.")] = 100,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Replays that `dissonance replay --keep` kept beside the verdicts that counted, newest first."""

    async def records(system: System) -> list[ReplayRecord]:
        return await system.store.replays((await system.store.by_name(task)).task_id, limit)

    async def verdicts(system: System) -> list[ReplayedVerdict]:
        task_id = (await system.store.by_name(task)).task_id
        if all(record.replay_id != replay_id for record in await system.store.replays(task_id, 100_000)):
            raise InputError(f"no replay has the id '{replay_id}'", where="--id", fix=f"dissonance replays {task}")
        return await system.store.replayed(task_id, str(replay_id), limit)

    if replay_id is None:
        kept = [kept_replay(record) for record in on_system(data, records)]
        emit(kept, as_json, replays_table(kept) if kept else "No replay was kept.")
    else:
        rows = [kept_verdict(verdict) for verdict in on_system(data, verdicts)]
        emit(rows, as_json, verdicts_table(rows) if rows else "Everything came out as recorded.")


def kept_replay(record: ReplayRecord) -> KeptReplay:
    return KeptReplay(
        replay_id=record.replay_id,
        policy=record.policy,
        start=None if record.start_us is None else to_text(record.start_us),
        end=None if record.end_us is None else to_text(record.end_us),
        rows=record.rows,
        differing=record.differing,
        links=record.links,
        made_at=to_text(record.made_at_us),
    )


def kept_verdict(verdict: ReplayedVerdict) -> KeptVerdict:
    from dissonance.decisions.replaying import verdict_word

    return KeptVerdict(
        id_text(verdict.prediction_id),
        to_text(verdict.event_time_us),
        verdict_word(verdict.recorded),
        verdict_word(verdict.replayed),
    )


def replays_table(kept: Sequence[KeptReplay]) -> Table:
    table = FittingTable(title="Replays", caption="More of one: dissonance replays TASK --id ID")
    add_id_column(table, "id", (each.replay_id for each in kept))
    for heading in ("policy", "from", "until", "rows", "differing", "made at"):
        table.add_column(heading, overflow="fold", justify="right" if heading in ("rows", "differing") else "left")
    for each in kept:
        bounds = (each.start or "", each.end or "")
        counts = (f"{each.rows:,}", f"{each.differing:,}")
        table.add_row(*map(escape, (each.replay_id, each.policy, *bounds, *counts, each.made_at)))
    return table


def verdicts_table(rows: Sequence[KeptVerdict]) -> Table:
    table = FittingTable(title="What came out otherwise")
    add_id_column(table, "prediction", (each.prediction_id for each in rows))
    for heading in ("event time", "recorded", "now"):
        table.add_column(heading, overflow="fold")
    for each in rows:
        table.add_row(each.prediction_id, each.event_time, each.recorded, each.replayed)
    return table
