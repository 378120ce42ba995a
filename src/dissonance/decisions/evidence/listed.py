"""Do the tables that say what is under way and how candidates were judged say what the bundles prove? Pure.

Rollouts and judgements are read from tables of their own, which whoever can write to the database can change without a
trace in the chain: a version that is said to be on its canary, a judgement that is said to have accepted. Each row is
saved in the transaction of its decision, and so must be what that says.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from msgspec.structs import asdict

from dissonance.contracts.events import UpdateJudged
from dissonance.contracts.evidence import canonical
from dissonance.contracts.updates import RolloutPhase
from dissonance.contracts.verdicts import UpdateVerdict
from dissonance.decisions.evidence.again import KINDS
from dissonance.decisions.evidence.bundle import PUT_BACK, Bundle
from dissonance.ports.rollouts import Rollout

PHASES = {kind: phase for phase, kind in KINDS.items()}


class Listed(NamedTuple):
    """Rows as they are stored: the latest revision of each rollout, and the judgements; newest first."""

    rollouts: Sequence[Rollout]
    judgements: Sequence[UpdateJudged]


class Differs(NamedTuple):
    """`link` of the decision that says otherwise; 0 where no decision knows of the row."""

    link: int
    what: str


class _Proven(NamedTuple):
    """What a decision says of a row: the values of those of its fields that it knows."""

    link: int
    revision: int
    fields: dict[str, object]


class ListedCheck:
    """Give it every bundle of the chain in order, then ask for the result. `sure_to`: what was decided up to this link
    was so before the rows were read, and so must be in them."""

    def __init__(self, listed: Listed, sure_to: int) -> None:
        self._listed = listed
        self._sure_to = sure_to
        self._rollouts: dict[str, dict[int, _Proven]] = {}
        self._judgements: dict[str, _Proven] = {}
        self._since_created = False

    def add(self, link: int, bundle: Bundle) -> None:
        self._since_created = self._since_created or bundle.incumbent is None
        rollout_id, _, revision = bundle.cause.partition("-")
        if bundle.judgement is not None:
            self._judgements[bundle.cause] = _Proven(link, 1, _judged(bundle))
        elif revision.isdecimal() and bundle.kind in PHASES and bundle.incumbent is not None:
            number = int(revision)
            self._rollouts.setdefault(rollout_id, {})[number] = _Proven(link, number, _rolled_out(bundle))

    def differs(self) -> Differs | None:
        """The first row that is not what was decided, or that is missing; None when all are there and say so."""
        return self._of_rollouts() or self._of_judgements()

    def _of_rollouts(self) -> Differs | None:
        rows = {row.rollout_id: row for row in self._listed.rollouts}
        for rollout_id, steps in self._rollouts.items():
            sure = [each for each in steps.values() if each.link <= self._sure_to]
            newest = max(sure, key=lambda each: each.revision, default=None)
            row = rows.get(rollout_id)
            if newest is not None and (row is None or row.revision < newest.revision):
                is_there = "is missing" if row is None else f"is listed as of its step {row.revision}"
                return Differs(newest.link, f"a rollout that went on by the decision of link {newest.link} {is_there}")
        return self._first(
            "rollout",
            [(f"of version {row.version}", _step(self._rollouts, row), asdict(row)) for row in self._listed.rollouts],
        )

    def _of_judgements(self) -> Differs | None:
        there = {row.event_id for row in self._listed.judgements}
        for event_id, proven in self._judgements.items():
            if proven.link <= self._sure_to and event_id not in there:
                return Differs(proven.link, f"the judgement of link {proven.link} is missing")
        return self._first(
            "judgement",
            [
                (f"of version {row.version}", self._judgements.get(row.event_id), asdict(row))
                for row in self._listed.judgements
            ],
        )

    def _first(self, kind: str, rows: Sequence[tuple[str, _Proven | None, dict[str, object]]]) -> Differs | None:
        """Rows from before decisions were kept have none, and lie before those that have."""
        some_proven = self._since_created
        for which, proven, row in reversed(rows):
            if proven is None:
                if some_proven:
                    return Differs(0, f"no decision knows of a {kind} {which} that is listed")
                continue
            some_proven = True
            wrong = [name for name, value in proven.fields.items() if canonical(row[name]) != canonical(value)]
            if wrong:
                what = f"the {kind} {which} is listed with another {', '.join(wrong)} than link {proven.link} decided"
                return Differs(proven.link, what)
        return None


def _step(known: dict[str, dict[int, _Proven]], row: Rollout) -> _Proven | None:
    """The decision that put it where it is listed."""
    return known.get(row.rollout_id, {}).get(row.revision)


def _rolled_out(bundle: Bundle) -> dict[str, object]:
    """Of a computed step the whole row follows from the one before it, which the bundle holds."""
    phase = PHASES[bundle.kind]
    said: dict[str, object] = {
        "task_id": bundle.task_id,
        "version": bundle.candidate.version,
        "model_digest": bundle.candidate.digest,
        "phase": phase,
        "phase_at_us": bundle.event_time_us,
        "by": bundle.by,
        "reason": bundle.reason,
        "back_to": bundle.production if PUT_BACK in bundle.digests else None,
        "back_digest": bundle.digests.get(PUT_BACK, ""),
    }
    if bundle.incumbent is not None:
        said |= {"previous_version": bundle.incumbent.version, "previous_digest": bundle.incumbent.digest}
    if phase is RolloutPhase.CANARY:
        said["share"] = bundle.share
    if bundle.beginning is not None:
        said["started_at_us"] = bundle.beginning.now_us
    if bundle.step is not None:
        said = {**asdict(bundle.step.rollout), "revision": bundle.step.rollout.revision + 1, **said}
    return said


def _judged(bundle: Bundle) -> dict[str, object]:
    assert bundle.judgement is not None
    return {
        "task_id": bundle.task_id,
        "version": bundle.candidate.version,
        "model_digest": bundle.candidate.digest,
        "verdict": UpdateVerdict(bundle.kind.value),
        "findings": bundle.judgement.findings,
        "policy_version": bundle.policy.version,
        "by": bundle.by,
        "reason": bundle.reason,
    }
