"""`dissonance models diff`: two versions side by side."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer
from rich.markup import escape
from rich.table import Table

from dissonance.cli.connected import on_system
from dissonance.cli.options import AsJson, Data, TaskName
from dissonance.cli.output import emit, progress
from dissonance.cli.tables import FittingTable
from dissonance.contracts.counts import counted
from dissonance.contracts.times import to_text

if TYPE_CHECKING:
    from dissonance.bootstrap import System
    from dissonance.pipeline.model_diff import Described, ModelDiff


TOLD_AS_FACT = "training_data_digest"
"""A parameter that the manifest says, too."""


class FactLine(msgspec.Struct, frozen=True):
    """One thing known of two versions; empty where one of them does not have it."""

    what: str
    before: str
    after: str


class ModelDiffAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What `models diff --json` prints. `facts` differ, `same` do not. On `golden_rows` golden inputs: mean KL in nats
    from the one to the other with its standard error, and the share of answers that differ."""

    task: str
    before: int
    after: int
    facts: list[FactLine]
    same: list[str]
    golden_rows: int
    kl: float
    kl_error: float
    differing: float


def diff(
    task: TaskName,
    before: Annotated[int, typer.Argument(metavar="A", help="A version.")],
    after: Annotated[int, typer.Argument(metavar="B", help="Another version.")],
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """What differs between two versions, and how far apart their answers are on the golden inputs."""
    from dissonance.pipeline.model_diff import diff

    async def work(system: System) -> ModelDiff:
        with progress("comparing", quiet=as_json):
            return await diff(system, task, before, after)

    answer = diff_answer(on_system(data, work))
    emit(answer, as_json, diff_table(answer))


def diff_answer(found: ModelDiff) -> ModelDiffAnswer:
    old, new = _facts(found.before), _facts(found.after)
    names = list(dict.fromkeys([*old, *new]))
    lines = [FactLine(name, old.get(name, ""), new.get(name, "")) for name in names]
    return ModelDiffAnswer(
        task=found.task.name,
        before=found.before.version.version,
        after=found.after.version.version,
        facts=[line for line in lines if line.before != line.after],
        same=[line.what for line in lines if line.before == line.after],
        golden_rows=found.apart.rows,
        kl=found.apart.kl,
        kl_error=found.apart.kl_error,
        differing=found.apart.differing,
    )


def diff_table(answer: ModelDiffAnswer) -> Table:
    table = FittingTable(
        title=f"Versions {answer.before} and {answer.after} of {answer.task}",
        caption=f"On {counted(answer.golden_rows, 'golden input')}: mean KL {answer.kl:.4f} nats (standard error "
        f"{answer.kl_error:.4f}), {answer.differing:.2%} of the answers differ",
    )
    for heading in ("", f"version {answer.before}", f"version {answer.after}"):
        table.add_column(heading, overflow="fold")
    for line in answer.facts:
        table.add_row(*map(escape, (line.what, _shown(line.before), _shown(line.after))))
    return table


def _shown(value: str) -> str:
    """Of a digest its first digits: the whole ones are in `--json`."""
    return value[:12] if re.fullmatch("[0-9a-f]{64}", value) else value


def _facts(found: Described) -> dict[str, str]:
    return {
        "registered at": to_text(found.version.created_at_us),
        "trained after": "" if found.version.parent is None else str(found.version.parent),
        "size, bytes": f"{found.size_bytes:,}",
        **found.facts,
        **{f"parameter {name}": value for name, value in sorted(found.parameters.items()) if name != TOLD_AS_FACT},
        **{f"metric {name}": f"{value:.6g}" for name, value in sorted(found.version.metrics.items())},
    }
