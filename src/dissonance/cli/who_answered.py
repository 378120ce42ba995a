"""`dissonance models who-answered`: which version gave an answer, when, and what became of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import msgspec
import typer
from rich.table import Table

from dissonance.cli.connected import on_system
from dissonance.cli.output import emit
from dissonance.contracts.ids import id_from_text, id_text
from dissonance.contracts.times import to_text

if TYPE_CHECKING:
    from dissonance.bootstrap import System
    from dissonance.pipeline.who_answered import WhoAnswered


class WhoAnsweredAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What `who-answered --json` prints. Times are RFC 3339; a version is null where the registry has it no more, and
    `shadow_version` also where no other model was asked. `right`: whether the answer was the label, null until one
    came. `arm`: `production` or `canary`."""

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
    task: Annotated[str, typer.Argument(metavar="TASK", help="The task's name.")],
    prediction_id: Annotated[str, typer.Argument(metavar="PREDICTION_ID", help="As `predict` answered it.")],
    data: Annotated[str | None, typer.Option(help="The data folder. Default: $DISSONANCE_DATA.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Which version gave an answer, which critic doubted it, and what became of the input."""
    from dissonance.pipeline.who_answered import who_answered

    wanted = id_from_text(prediction_id)

    async def work(system: System) -> WhoAnswered:
        return await who_answered(system, task, wanted)

    answer = who_answered_answer(on_system(data, work))
    emit(answer, as_json, who_answered_table(answer))


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
    table = Table(title=f"Prediction {answer.prediction_id} of {answer.task}", show_header=False)
    table.add_row("answered by", f"version {_version(answer.version)} ({answer.arm}), {answer.model_digest[:12]}")
    table.add_row("at", f"{answer.answered_at}; event time {answer.event_time}")
    table.add_row("doubted by", f"critic {_version(answer.critic_version)}, {answer.critic_digest[:12]}")
    table.add_row("doubt, dissonance", f"{answer.doubt:.3f}, {answer.dissonance:.3f}")
    if answer.shadow_version is not None:
        table.add_row("asked beside it", f"version {answer.shadow_version}")
    table.add_row("verdict", f"{answer.verdict}: {answer.reason}, under policy {answer.policy_version}")
    table.add_row(
        "label", {None: "none yet", True: "the answer was right", False: "the answer was wrong"}[answer.right]
    )
    return table


def _version(version: int | None) -> str:
    return "no longer in the registry" if version is None else str(version)
