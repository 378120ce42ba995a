"""What `dissonance models promote` and `rollback` print: what is in production now, whether this call put it there, and
who answers with it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import typer
from rich.markup import escape

from dissonance.cli.output import emit
from dissonance.contracts.counts import counted
from dissonance.contracts.standings import NAMELESS
from dissonance.contracts.updates import RolloutPhase
from dissonance.contracts.verdicts import RuleFinding

if TYPE_CHECKING:
    from dissonance.pipeline.promoted import Promoted


class PromotedAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What `promote --json` and `rollback --json` print; `findings`, and the golden accuracies among them, are what the
    gate said, none after a rollback. `phase`: of the newest rollout; `canary` where nothing moved yet, `abandoned`
    where a canary ended. `changed`: by this call; false where all was so already. `replicas` of the proposer were seen
    to answer with the version, `confirmed_ms` after it moved, null where none was; `replicas_missing` live and did not
    follow in time, `?` where one lives that never said its name."""

    task: str
    version: int
    critic_version: int
    previous_version: int | None
    phase: str
    changed: bool
    verdict: str | None
    findings: list[RuleFinding]
    replicas: list[str]
    replicas_missing: list[str]
    confirmed_ms: float | None


def promoted_answer(promoted: Promoted) -> PromotedAnswer:
    replicas = promoted.replicas
    return PromotedAnswer(
        task=promoted.task.name,
        version=promoted.version,
        critic_version=promoted.critic_version,
        previous_version=promoted.previous_version,
        phase=promoted.phase.value,
        changed=promoted.changed,
        verdict=None if promoted.judged is None else promoted.judged.verdict.value,
        findings=[] if promoted.judged is None else list(promoted.judged.findings),
        replicas=list(replicas.confirmed),
        replicas_missing=list(replicas.missing),
        confirmed_ms=replicas.took_us / 1e3 if replicas.confirmed else None,
    )


def emit_moved(done: Promoted, as_json: bool, *, went_back: bool = False, named: bool = False) -> None:
    """`named`: whoever took a version back said which one is to answer. Raises `typer.Exit` where a replica did not
    follow."""
    answer = promoted_answer(done)
    more = what_ended(done, named=named) if went_back else []
    findings = [f"{'holds' if each.holds else 'FAILS'}  {each.rule}: {each.what}" for each in answer.findings]
    lines = [what_serves(answer), *replica_lines(answer), *more, *findings]
    emit(answer, as_json, escape("\n".join(lines)))
    if answer.replicas_missing:
        raise typer.Exit(1)


def what_serves(answer: PromotedAnswer) -> str:
    before = "nothing" if answer.previous_version is None else f"version {answer.previous_version}"
    if answer.phase == RolloutPhase.CANARY:
        already = "" if answer.changed else " already"
        return f"Canary: version {answer.version} answers a share of requests{already}, {before} the others"
    if answer.version != answer.previous_version:
        return f"In production: version {answer.version} (before: {before}), critic {answer.critic_version}"
    still = "stays in production" if answer.changed else "was in production already"
    return f"Version {answer.version} {still}, with critic {answer.critic_version}"


def what_ended(done: Promoted, *, named: bool) -> list[str]:
    """Who is told that nothing moved is told why, whether it was this call that ended a canary, and how to go on."""
    rollout = done.rollout
    if done.version != done.previous_version or rollout is None:
        return []
    if done.changed:
        is_canary = rollout.phase is RolloutPhase.ABANDONED
        return [
            f"Version {rollout.version}, a canary, is ended by this"
            if is_canary
            else f"Version {rollout.version} is taken back by this, before it was there"
        ]
    why = f"({rollout.by}: {rollout.reason})"
    said = {
        RolloutPhase.ABANDONED: f"Version {rollout.version}, a canary, had ended before {why}",
        RolloutPhase.ROLLED_BACK: f"Version {rollout.version} was taken back before {why}",
    }.get(rollout.phase)
    if said is None:
        return []
    more = f"To go further back, name a version of `dissonance models list {done.task.name}`: --to VERSION"
    return [said] if named else [said, more]


def replica_lines(answer: PromotedAnswer) -> list[str]:
    """Who answers with the version now; nothing for a canary, which moves nothing."""
    if answer.phase == RolloutPhase.CANARY:
        return []
    if not answer.replicas and not answer.replicas_missing:
        return [
            "No replica answered: no proposer runs that the broker knows of; whoever starts reads which version is in "
            "production"
        ]
    if answer.replicas_missing == [NAMELESS]:
        return [
            "NOT CONFIRMED: a proposer listens and answered nothing, so it may still answer people with what it had "
            "(docs/runbooks/rollback.md)"
        ]
    count = len(answer.replicas) + len(answer.replicas_missing)
    verb = "answers" if len(answer.replicas) == 1 else "answer"
    said = f"{len(answer.replicas)} of {counted(count, 'replica')} {verb} with it"
    if answer.version != answer.previous_version and answer.confirmed_ms is not None:
        said += f", {answer.confirmed_ms:.0f} ms after it moved"
    missing = f"NOT CONFIRMED: {', '.join(answer.replicas_missing)} (docs/runbooks/rollback.md)"
    return [said, missing] if answer.replicas_missing else [said]
