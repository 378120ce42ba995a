"""`dissonance models who-answered`: which version gave an answer, when, and what became of it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer
from rich.table import Table

from dissonance.cli.connected import on_system
from dissonance.cli.options import Data, TaskName
from dissonance.cli.output import add_id_column, emit, share_done, words
from dissonance.cli.tables import FittingTable
from dissonance.contracts.counts import counted
from dissonance.contracts.ids import id_from_text, id_text
from dissonance.contracts.times import to_text
from dissonance.errors import InputError, InvalidDataFile

if TYPE_CHECKING:
    from dissonance.bootstrap import System
    from dissonance.pipeline.who_answered import WhoAnswered


class WhoAnsweredAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What `who-answered --json` prints, of a file a list of it. Times are RFC 3339; a version is null where the
    registry has it no more, and `shadow_version` also where no other model was asked. `right`: whether the answer was
    the label, null until one came. `arm`: `production` or `canary`."""

    task: str
    prediction_id: str
    answered_at: str
    event_time: str
    version: int | None
    model_digest: str
    arm: str
    critic_version: int | None
    critic_digest: str
    shadow_version: int | None
    policy_version: int
    verdict: str
    reason: str
    doubt: float
    dissonance: float
    right: bool | None


def who_answered(
    task: TaskName,
    prediction_id: Annotated[
        str | None, typer.Argument(metavar="PREDICTION_ID", help="As `predict` answered it.", show_default=False)
    ] = None,
    file: Annotated[
        Path | None, typer.Option(help="A file of prediction ids in its place, one a line.", show_default=False)
    ] = None,
    data: Data = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON; of a file, as a list.")] = False,
) -> None:
    """Which version gave an answer, which critic doubted it, and what became of the input; or so of a whole file."""
    from dissonance.pipeline.who_answered import who_answered_each

    if (prediction_id is None) == (file is None):
        raise InputError("neither or both of an id and a file", where="PREDICTION_ID", fix="give one of them")
    wanted = read_ids(file) if file is not None else [id_from_text(prediction_id or "")]
    with share_done(f"asking about {counted(len(wanted), 'prediction')}", quiet=as_json or file is None) as follow:

        async def work(system: System) -> list[WhoAnswered]:
            return await who_answered_each(system, task, wanted, follow)

        answers = [who_answered_answer(each) for each in on_system(data, work)]
    if file is None:
        emit(answers[0], as_json, who_answered_table(answers[0]))
    else:
        emit(answers, as_json, each_answered_table(task, answers))


def read_ids(file: Path) -> list[bytes]:
    """Empty lines are passed over. Raises `InvalidDataFile`, or `InputError` for what is no id, with its line."""
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidDataFile(f"the file was not read: {error}", where=str(file), fix="name a file of ids") from error
    found = []
    for number, line in enumerate(lines, start=1):
        if line.strip():
            try:
                found.append(id_from_text(line.strip()))
            except InputError as error:
                raise InputError(error.what, where=f"{file}, line {number}", fix=error.fix) from error
    return found


def who_answered_answer(found: WhoAnswered) -> WhoAnsweredAnswer:
    row = found.row
    return WhoAnsweredAnswer(
        task=found.task.name,
        prediction_id=id_text(row.prediction_id),
        answered_at=to_text(row.processing_time_us),
        event_time=to_text(row.event_time_us),
        version=found.version,
        model_digest=row.model_digest,
        arm=row.canary_arm,
        critic_version=found.critic_version,
        critic_digest=row.critic_digest,
        shadow_version=found.shadow_version,
        policy_version=row.policy_version,
        verdict=row.verdict.value,
        reason=row.reason.value,
        doubt=1.0 - row.confidence,
        dissonance=row.dissonance,
        right=row.right,
    )


def who_answered_table(answer: WhoAnsweredAnswer) -> Table:
    table = Table(title=f"A prediction of {answer.task}", show_header=False)
    table.add_column(style="bold", overflow="fold")
    table.add_column(overflow="fold", min_width=len(answer.prediction_id))
    table.add_row("id", answer.prediction_id)
    table.add_row("answered by", f"version {_version(answer.version)} ({answer.arm}), {answer.model_digest[:12]}")
    table.add_row("at", f"{answer.answered_at}; event time {answer.event_time}")
    table.add_row("doubted by", f"critic {_version(answer.critic_version)}, {answer.critic_digest[:12]}")
    table.add_row("doubt, dissonance", f"{answer.doubt:.3f}, {answer.dissonance:.3f}")
    if answer.shadow_version is not None:
        table.add_row("asked beside it", f"version {answer.shadow_version}")
    table.add_row("verdict", f"{answer.verdict}: {words(answer.reason)}, under policy {answer.policy_version}")
    table.add_row(
        "label", {None: "none yet", True: "the answer was right", False: "the answer was wrong"}[answer.right]
    )
    return table


def each_answered_table(task: str, answers: Sequence[WhoAnsweredAnswer]) -> Table:
    table = FittingTable(title=f"{counted(len(answers), 'prediction')} of {task}")
    add_id_column(table, "prediction", (each.prediction_id for each in answers))
    for heading in ("version (arm)", "critic", "asked beside it", "answered at"):
        table.add_column(heading, overflow="fold")
    for each in answers:
        beside = "" if each.shadow_version is None else str(each.shadow_version)
        versions = (f"{_version(each.version)} ({each.arm})", _version(each.critic_version), beside)
        table.add_row(each.prediction_id, *versions, each.answered_at[:19].replace("T", " "))
    return table


def _version(version: int | None) -> str:
    return "no longer in the registry" if version is None else str(version)
