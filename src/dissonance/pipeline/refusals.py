"""Why a version does not move now, in words that name the task, the version, and what to do."""

from __future__ import annotations

from dissonance.contracts.policy import Policy
from dissonance.contracts.times import lasting, to_text
from dissonance.contracts.updates import RolloutPhase
from dissonance.errors import EngineError, NothingBefore
from dissonance.errors_of_updates import (
    CoolingOff,
    JudgementOutdated,
    NeverInProduction,
    RolloutUnderWay,
    TakenBackBefore,
)
from dissonance.pipeline.telling import GATE
from dissonance.ports.rollouts import Rollout


def nothing_before(task: str, version: int) -> NothingBefore:
    """
    >>> print(nothing_before("toy", 1))  # doctest: +NORMALIZE_WHITESPACE
    version 1 of task toy is the first: it replaced no other (version). How to mend it: name one: --to N
    (dissonance models history toy lists them)
    """
    return NothingBefore(
        f"version {version} of task {task} is the first: it replaced no other",
        where="version",
        fix=f"name one: --to N (dissonance models history {task} lists them)",
    )


def never_in_production(task: str, version: int) -> NeverInProduction:
    """What is put back by hand passes no gate: it has passed it before."""
    return NeverInProduction(
        f"version {version} of task {task} never was in production: it goes there by the gate",
        where="version",
        fix=_by_hand(task, version),
    )


def judged_against_another(task: str, version: int, incumbent: int, serving: int) -> JudgementOutdated:
    """Somebody moved production while the candidate was judged."""
    return JudgementOutdated(
        f"version {version} of task {task} was judged against version {incumbent}, and version {serving} goes into "
        "production or is there",
        where="version in production",
        fix=f"judge it again: {_by_hand(task, version)}",
    )


def was_taken_back(task: str, ended: Rollout) -> TakenBackBefore:
    """Nobody sends it again but a person."""
    what = f"version {ended.version} of task {task} was rolled back"
    if ended.phase is RolloutPhase.ABANDONED:
        what = f"the canary of version {ended.version} of task {task} was ended"
    by = f"the {GATE}" if ended.by == GATE else ended.by
    return TakenBackBefore(
        f"{what} by {by} at {_minute(ended.phase_at_us)} of event time: {ended.reason}",
        where="rollout",
        fix=f"what was taken back goes live again by hand only: {_by_hand(task, ended.version)}",
    )


def cools_off(task: str, version: int, taken_back: Rollout, cooling_off_s: int) -> CoolingOff:
    """After `taken_back` the loop rests; people may go on."""
    until = _minute(taken_back.phase_at_us + cooling_off_s * 1_000_000)
    return CoolingOff(
        f"task {task} cools off until {until} of event time, {lasting(cooling_off_s)} after version "
        f"{taken_back.version} was rolled back",
        where="policy.cooling_off_s",
        fix=f"wait, or promote it by hand: {_by_hand(task, version)}",
    )


def under_way(task: str, rollout: Rollout | None, policy: Policy, version: int | None = None) -> RolloutUnderWay:
    """`rollout`: the one that is live; None where another replica has just begun or ended one. `version` was asked for,
    and may be the one that is under way."""
    if rollout is None:
        return RolloutUnderWay(
            f"another rollout of task {task} began or ended at the same moment",
            where="rollout",
            fix=f"look (dissonance models updates {task}), then repeat this",
        )
    state, longest_s, end = _told(rollout, policy)
    already, wait = "", f"wait until that is over (dissonance models updates {task})"
    if version == rollout.version:
        already = " already"
        wait = f"wait until it goes live by itself (dissonance models updates {task})"
        if rollout.phase is not RolloutPhase.CANARY:
            wait = f"see that it is done: {_by_hand(task, version)}"
    return RolloutUnderWay(
        f"version {rollout.version} of task {task} is under way{already}: {state} since "
        f"{_minute(rollout.phase_at_us)}, for {lasting(longest_s)} at most (both of event time)",
        where="rollout",
        fix=f"{wait}, or {end}: dissonance models rollback {task}",
    )


def saved_though(error: EngineError, task: str, version: int, phase: RolloutPhase) -> EngineError:
    """A rollout went into its phase, and what asked for it was cut short."""
    again = _by_hand(task, version) + (" --canary" if phase is RolloutPhase.CANARY else "")
    return type(error)(
        f"version {version} of '{task}' is saved as {phase.value}, and not all is done yet: {error.what}",
        where=error.where,
        fix=f"the gate goes on when it can, and so does the same again: {again}; or end it: dissonance models rollback "
        f"{task}",
    )


def _by_hand(task: str, version: int) -> str:
    return f"dissonance models promote {task} --version {version}"


def _told(rollout: Rollout, policy: Policy) -> tuple[str, int, str]:
    """Its state, for how many seconds of event time it may last, and what a rollback does to it."""
    if rollout.phase is not RolloutPhase.CANARY:
        return "promoted and watched", policy.rollback_window_s, f"go back to version {rollout.previous_version}"
    if rollout.share == 0.0:
        return "in the shadow of production", policy.canary_max_s, "end it"
    return f"a canary that answers {rollout.share:.0%} of requests", policy.canary_max_s, "end it"


def _minute(at_us: int) -> str:
    return f"{to_text(at_us)[:16].replace('T', ' ')} UTC"
