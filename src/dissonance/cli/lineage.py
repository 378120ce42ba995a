"""`dissonance pipeline lineage`: from an answer to the model that gave it, its snapshots, and the rows behind it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import msgspec
import typer
from rich.markup import escape
from rich.table import Table

from dissonance.cli.connected import on_system
from dissonance.cli.options import AsJson, Data, TaskName
from dissonance.cli.output import emit
from dissonance.contracts.ids import id_from_text
from dissonance.contracts.times import to_text

if TYPE_CHECKING:
    from dissonance.bootstrap import System
    from dissonance.pipeline.flow.lineage import Lineage


class PartLine(msgspec.Struct, frozen=True, kw_only=True):
    """A snapshot of rows behind a model: `rows` by origin, and keyed ids of some of them, or with --rows of all."""

    version: int
    model_digest: str
    model_files_digest: str
    snapshot: str
    rows: dict[str, int]
    row_ids: list[str]


class LineageAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What `lineage --json` prints: what answered, and every version that it was made from, back to the data file.

    `models`: newest first, of which the pipeline kept a snapshot. `without_snapshot`: versions made otherwise: by
    `task create`, whose data file has the digest `source_digest`, or by the learner on the bus.
    """

    task: str
    prediction_id: str
    version: int | None
    model_digest: str
    answered_at: str
    models: list[PartLine]
    without_snapshot: list[int]
    source_digest: str


def lineage(
    task: TaskName,
    prediction_id: Annotated[str, typer.Argument(metavar="PREDICTION_ID", help="As `predict` answered it.")],
    rows: Annotated[int, typer.Option(min=0, help="How many row ids to list of each snapshot; 0: all.")] = 10,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """From an answer to the model that gave it, its snapshot, and the rows behind it."""
    wanted = id_from_text(prediction_id)

    async def work(system: System) -> LineageAnswer:
        from dissonance.bootstrap_pipeline import open_bench
        from dissonance.pipeline.flow.lineage import trace

        return lineage_answer(await trace(open_bench(system), task, wanted), prediction_id, rows)

    answer = on_system(data, work)
    emit(answer, as_json, lineage_table(answer))


def lineage_answer(found: Lineage, prediction_id: str, rows: int) -> LineageAnswer:
    return LineageAnswer(
        task=found.answered.task.name,
        prediction_id=prediction_id,
        version=found.answered.version,
        model_digest=found.answered.row.model_digest,
        answered_at=to_text(found.answered.row.processing_time_us),
        models=[
            PartLine(
                version=each.version,
                model_digest=each.model_digest,
                model_files_digest=each.model_files_digest,
                snapshot=snapshot.digest,
                rows={origin.value: count for origin, count in snapshot.counts.items()},
                row_ids=[row_id.hex() for row_id in (snapshot.row_ids[:rows] if rows else snapshot.row_ids)],
            )
            for each, snapshot in found.models
        ],
        without_snapshot=found.without_snapshot,
        source_digest=found.answered.task.source_digest,
    )


def lineage_table(answer: LineageAnswer) -> Table:
    table = Table(title=escape(f"Where {answer.prediction_id} came from"), show_header=False)
    table.add_column(style="bold", overflow="fold")
    table.add_column(overflow="fold")
    who = "a version that the registry has not" if answer.version is None else f"version {answer.version}"
    table.add_row("answered by", escape(f"{who} of {answer.task}, at {answer.answered_at}"))
    for each in answer.models:
        table.add_row(f"version {each.version}", f"files {each.model_files_digest}")
        table.add_row("  snapshot", each.snapshot)
        table.add_row("  rows", ", ".join(f"{count:,} {origin}" for origin, count in each.rows.items()))
        table.add_row("  row ids (keyed)", ", ".join(each.row_ids))
    for version in answer.without_snapshot:
        table.add_row(f"version {version}", "made without a snapshot: by task create, or by the learner")
    table.add_row("data file of the task (SHA-256)", answer.source_digest)
    return table
