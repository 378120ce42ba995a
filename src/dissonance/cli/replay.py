"""`dissonance replay`: judge again what was judged, as it was or under another policy."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import msgspec
import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from dissonance.cli.connected import on_system
from dissonance.cli.options import AsJson, Data, TaskName
from dissonance.cli.output import emit, share_done
from dissonance.cli.policy import parse_changes
from dissonance.contracts.counts import counted
from dissonance.contracts.ids import id_text
from dissonance.contracts.policy import Policy
from dissonance.contracts.times import to_text, to_us
from dissonance.decisions.policy_changes import with_values
from dissonance.errors import InputError, PolicyInvalid

if TYPE_CHECKING:
    from dissonance.bootstrap import System
    from dissonance.decisions.replaying import PolicyOf, Range
    from dissonance.pipeline.replay import ReplayOutcome

DIFFERS = 1
"""Exit code when the recorded verdicts do not come out again under their own policy."""


class TransitionLine(msgspec.Struct, frozen=True):
    recorded: str
    replayed: str
    rows: int


class RowLine(msgspec.Struct, frozen=True):
    prediction_id: str
    event_time: str
    recorded: str
    replayed: str


class UpdateLine(msgspec.Struct, frozen=True):
    version: int
    recorded: str
    replayed: str
    changed_rules: list[str]


class ReplayAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What `replay --json` prints. `differing`: rows and updates whose verdict or reason is another now; `examples`
    names the first of the rows. `unreadable_links` are of an older form and were left out. `replay_id`: its name
    among those that are kept, with `--keep`."""

    task: str
    start: str | None
    end: str | None
    policy: str
    policy_versions: list[int]
    links: int
    unreadable_links: int
    rows: int
    differing: int
    transitions: list[TransitionLine]
    examples: list[RowLine]
    updates: list[UpdateLine]
    replay_id: str | None = None


def replay_command(
    task: TaskName,
    window: Annotated[str | None, typer.Option(help="This evaluation window only, by its id.")] = None,
    start: Annotated[str | None, typer.Option("--from", metavar="TIME", help="Event time from which, RFC 3339")] = None,
    end: Annotated[str | None, typer.Option("--until", metavar="TIME", help="Event time before which")] = None,
    values: Annotated[
        list[str] | None, typer.Option("--set", metavar="NAME=VALUE", help="Judge with this value; may be repeated.")
    ] = None,
    policy_version: Annotated[int | None, typer.Option(help="Judge by this version of the policy.")] = None,
    data: Data = None,
    keep: Annotated[
        bool, typer.Option("--keep", help="Keep what comes out otherwise beside what was recorded: dissonance replays.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Judge again from the evidence in the hash chain, which is verified first.

    Under the policy of each verdict everything must come out as it was recorded; exit code 1 when it does not. With
    --set or --policy-version: what would have been different. No verdict is changed by it, also with --keep. Updates
    lie in no stretch of event time: all of them are judged again.
    """
    from dissonance.pipeline.replay import Keeping, replay

    changes = parse_changes(values or [])
    if changes and policy_version is not None:
        raise InputError("a policy is given twice", where="--set", fix="give either --set or --policy-version")
    with_values(Policy(), changes)  # tells of a misspelt value before anything is read

    async def work(system: System) -> ReplayOutcome:
        inside = await _range(system, task, window, start, end)
        judge_by = await _policy_of(system, task, changes, policy_version)
        with share_done("judging again", quiet=as_json) as follow:
            keeping = Keeping(describe(changes, policy_version), system.clock.now_us()) if keep else None
            return await replay(system.store, task, inside, judge_by, follow, keeping)

    outcome = on_system(data, work)
    same = not changes and policy_version is None
    answer = replay_answer(outcome, describe(changes, policy_version))
    emit(answer, as_json, lambda console: show_replay(console, answer))
    raise typer.Exit(DIFFERS if same and answer.differing else 0)


def describe(changes: dict[str, float | int | str], version: int | None) -> str:
    """
    >>> describe({"max_doubt": "0.5"}, None)
    'as recorded, but max_doubt=0.5'
    """
    if version is not None:
        return f"version {version}"
    listed = ", ".join(f"{name}={value}" for name, value in sorted(changes.items()))
    return f"as recorded, but {listed}" if listed else "as recorded"


def replay_answer(outcome: ReplayOutcome, policy: str) -> ReplayAnswer:
    from dissonance.decisions.replaying import verdict_word
    from dissonance.pipeline.replay import ALWAYS

    replayed, (start_us, end_us) = outcome.replayed, outcome.inside
    counted = sorted(replayed.transitions.items(), key=lambda item: -item[1])
    return ReplayAnswer(
        task=outcome.task.name,
        start=None if start_us == ALWAYS.start_us else to_text(start_us),
        end=None if end_us == ALWAYS.end_us else to_text(end_us),
        policy=policy,
        policy_versions=replayed.policy_versions,
        links=outcome.links,
        unreadable_links=replayed.unreadable,
        rows=replayed.rows,
        differing=replayed.differing,
        transitions=[TransitionLine(verdict_word(old), verdict_word(new), rows) for (old, new), rows in counted],
        examples=[
            RowLine(
                id_text(each.prediction_id),
                to_text(each.event_time_us),
                verdict_word(each.recorded),
                verdict_word(each.replayed),
            )
            for each in replayed.examples
        ],
        updates=[
            UpdateLine(each.version, each.recorded.value, each.replayed.value, list(each.changed_rules))
            for each in replayed.updates
        ],
        replay_id=outcome.replay_id,
    )


def show_replay(console: Console, answer: ReplayAnswer) -> None:
    table = Table(title=escape(f"{counted(answer.rows, 'row')} of {answer.task} judged again, policy {answer.policy}"))
    for heading in ("recorded", "now"):
        table.add_column(heading)
    table.add_column("rows", justify="right")
    for line in answer.transitions:
        style = None if line.recorded == line.replayed else "yellow"
        table.add_row(line.recorded, line.replayed, f"{line.rows:,}", style=style)
    console.print(table)
    for update in answer.updates:
        rules = f" ({', '.join(update.changed_rules)})" if update.changed_rules else ""
        console.print(f"update to version {update.version}: recorded {update.recorded}, now {update.replayed}{rules}")
    for row in answer.examples:
        console.print(f"{row.prediction_id}  {row.event_time}  {row.recorded} → {row.replayed}")
    if answer.unreadable_links:
        left_out = counted(answer.unreadable_links, "link of an older form was", "links of an older form were")
        console.print(f"[yellow]{left_out} left out.[/yellow]")
    if answer.replay_id is not None:
        console.print(f"Kept: dissonance replays {escape(answer.task)} --id {answer.replay_id}")
    colour = "yellow" if answer.differing else "green"
    differing = counted(answer.differing, "differs", "differ")
    links = counted(answer.links, "link of the chain holds", "links of the chain hold")
    console.print(f"[{colour}]{differing}; {links}.[/{colour}]")


async def _range(system: System, task: str, window: str | None, start: str | None, end: str | None) -> Range:
    from dissonance.pipeline.replay import range_of_window

    if window is not None and (start is not None or end is not None):
        raise InputError("a stretch is given twice", where="--window", fix="give --window, or --from and --until")
    if window is not None:
        return await range_of_window(system.store, task, window)
    return stretch(start, end)


def stretch(start: str | None, end: str | None) -> Range:
    """Raises `InputError` when no event time lies in it."""
    from dissonance.decisions.replaying import Range
    from dissonance.pipeline.replay import ALWAYS

    inside = Range(
        ALWAYS.start_us if start is None else to_us(start, "--from"),
        ALWAYS.end_us if end is None else to_us(end, "--until"),
    )
    if inside.start_us >= inside.end_us:
        raise InputError("the stretch ends before it begins", where="--until", fix="give a time after --from")
    return inside


async def _policy_of(system: System, task: str, changes: dict[str, float | int | str], version: int | None) -> PolicyOf:
    if version is None:
        return lambda recorded: with_values(recorded, changes)
    task_id = (await system.store.by_name(task)).task_id
    versions = {record.policy.version: record.policy for record in await system.store.policy_history(task_id, 100_000)}
    if version not in versions:
        raise PolicyInvalid(
            f"there is no version {version}", where="--policy-version", fix="list them: dissonance policy history TASK"
        )
    return lambda recorded: versions[version]
