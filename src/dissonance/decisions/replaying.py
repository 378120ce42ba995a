"""Verdicts again, from what the hash chain says they rested on: under the same policy the same, under another not.

Nothing in a verdict is drawn by chance, so a replay needs no seed. Pure.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any, NamedTuple

import msgspec
import numpy as np

from dissonance.contracts.evidence import DecisionKind
from dissonance.contracts.policy import Policy
from dissonance.contracts.verdicts import Reason, RuleFinding, UpdateVerdict
from dissonance.decisions.evidence.again import compared
from dissonance.decisions.evidence.bundle import Bundle, read_bundle
from dissonance.decisions.inputs import InputRows, hours_of, judge_inputs, verdict_of
from dissonance.decisions.updates.numbers import UpdateNumbers
from dissonance.decisions.updates.verdict import judge_update
from dissonance.errors import RecordBroken
from dissonance.security.evidence import open_bundle

EXAMPLES = 20
"""Rows that are named one by one where verdicts differ."""

PolicyOf = Callable[[Policy], Policy]
"""From the policy that a verdict rested on to the one to judge by now."""


class InputsLink(msgspec.Struct, frozen=True, kw_only=True):
    """Evidence of kind `inputs`, as the gate writes it; columns of n rows, see `InputRows`."""

    policy: Policy
    prediction_ids: list[bytes]
    event_times_us: list[int]
    confidences: list[float]
    dissonances: list[float]
    erased: list[bool]
    fits_schema: list[bool]
    widths_outside: list[float]
    rows_before: list[int]
    spent: dict[int, int]
    reasons: list[Reason]


class UpdateLink(msgspec.Struct, frozen=True, kw_only=True):
    """Evidence of kind `update`: judgements from before there were bundles (ADR 45)."""

    policy: Policy
    numbers: UpdateNumbers
    version: int
    verdict: UpdateVerdict
    findings: tuple[RuleFinding, ...]


class Range(NamedTuple):
    """Event time `[start_us, end_us)`."""

    start_us: int
    end_us: int


class RowDiffers(NamedTuple):
    prediction_id: bytes
    event_time_us: int
    recorded: Reason
    replayed: Reason


class UpdateReplayed(NamedTuple):
    """`recorded` is what the gate said, an override apart; `changed_rules` fail in one of both only."""

    version: int
    recorded: UpdateVerdict
    replayed: UpdateVerdict
    changed_rules: tuple[str, ...]


class Replayed(NamedTuple):
    """`transitions`: rows by recorded and replayed reason. `unreadable`: links of an older form, left out."""

    rows: int
    transitions: Counter[tuple[Reason, Reason]]
    examples: list[RowDiffers]
    updates: list[UpdateReplayed]
    unreadable: int
    policy_versions: list[int]

    @property
    def differing(self) -> int:
        """Rows and updates whose verdict or reason is another now."""
        rows = sum(count for (recorded, replayed), count in self.transitions.items() if recorded is not replayed)
        return rows + sum(update.recorded is not update.replayed for update in self.updates)


class Replay:
    """Give it the links in the order of the chain. The budget of an hour is spent anew by whom the policy now admits;
    what was spent of it before the first link that is known is taken over."""

    def __init__(self, inside: Range, policy_of: PolicyOf) -> None:
        self._inside = inside
        self._policy_of = policy_of
        self._spent: dict[int, int] = {}
        self._rows = 0
        self._transitions: Counter[tuple[Reason, Reason]] = Counter()
        self._examples: list[RowDiffers] = []
        self._differing: list[RowDiffers] = []
        self._updates: list[UpdateReplayed] = []
        self._unreadable = 0
        self._versions: set[int] = set()

    def add(self, evidence: bytes) -> None:
        link = read_link(evidence)
        if isinstance(link, Bundle):
            if link.judgement is not None:
                self._add_judgement(link)
        elif link is None:
            self._unreadable += 1
            self._spent.clear()  # what that link spent is not known; the next one says it
        elif isinstance(link, UpdateLink):
            self._add_update(link)
        else:
            self._add_inputs(link)

    def take_differing(self) -> list[RowDiffers]:
        """The rows whose reason came out otherwise since it was asked last."""
        taken, self._differing = self._differing, []
        return taken

    def result(self) -> Replayed:
        return Replayed(
            self._rows, self._transitions, self._examples, self._updates, self._unreadable, sorted(self._versions)
        )

    def _add_inputs(self, link: InputsLink) -> None:
        hours = hours_of(link.event_times_us)
        for hour in hours:
            self._spent.setdefault(hour, link.spent.get(hour, 0))
        _, replayed = judge_inputs(_rows_of(link), self._policy_of(link.policy), self._spent)
        for hour, reason in zip(hours, replayed, strict=True):
            self._spent[hour] += reason is Reason.WITHIN_BUDGET
        start_us, end_us = self._inside
        for position, time_us in enumerate(link.event_times_us):
            if start_us <= time_us < end_us:
                self._count(link.prediction_ids[position], time_us, link.reasons[position], replayed[position])
                self._versions.add(link.policy.version)

    def _count(self, prediction_id: bytes, time_us: int, recorded: Reason, replayed: Reason) -> None:
        self._rows += 1
        self._transitions[recorded, replayed] += 1
        if recorded is not replayed:
            differs = RowDiffers(prediction_id, time_us, recorded, replayed)
            self._differing.append(differs)
            if len(self._examples) < EXAMPLES:
                self._examples.append(differs)

    def _add_update(self, link: UpdateLink) -> None:
        verdict, findings = judge_update(link.numbers, self._policy_of(link.policy))
        recorded = UpdateVerdict.REFUSED if link.verdict is UpdateVerdict.OVERRIDDEN else link.verdict
        # Those that fail: a rule that was not there yet, and holds now, changed nothing.
        before = {finding.rule for finding in link.findings if not finding.holds}
        after = {finding.rule for finding in findings if not finding.holds}
        self._updates.append(UpdateReplayed(link.version, recorded, verdict, tuple(sorted(before ^ after))))

    def _add_judgement(self, bundle: Bundle) -> None:
        again = compared(bundle, self._policy_of(bundle.policy))
        recorded, now = _verdict(again.recorded.kind), _verdict(again.now.kind)
        self._updates.append(UpdateReplayed(bundle.candidate.version, recorded, now, again.rules))


def _verdict(kind: DecisionKind | None) -> UpdateVerdict:
    """What the gate said, an override apart."""
    return UpdateVerdict.ACCEPTED if kind is DecisionKind.ACCEPTED else UpdateVerdict.REFUSED


def read_link(evidence: bytes) -> InputsLink | UpdateLink | Bundle | None:
    """None for evidence of an older form, which does not hold all that today's rules look at."""
    signed = open_bundle(evidence)
    try:
        if signed is not None:
            return read_bundle(signed.body)
        kind = msgspec.msgpack.decode(evidence, type=_Kind).kind
        link: InputsLink | UpdateLink = msgspec.msgpack.decode(evidence, type=_LINKS[kind])
    except (msgspec.MsgspecError, KeyError, RecordBroken):
        return None
    return link


class _Kind(msgspec.Struct):
    kind: str


_LINKS: dict[str, Any] = {"inputs": InputsLink, "update": UpdateLink}


def _rows_of(link: InputsLink) -> InputRows:
    return InputRows(
        dissonances=np.array(link.dissonances),
        doubts=1.0 - np.array(link.confidences),
        erased=np.array(link.erased, dtype=np.bool_),
        fits_schema=np.array(link.fits_schema, dtype=np.bool_),
        widths_outside=np.array(link.widths_outside),
        rows_before=np.array(link.rows_before, dtype=np.int64),
        event_times_us=np.array(link.event_times_us, dtype=np.int64),
    )


def verdict_word(reason: Reason) -> str:
    """
    >>> verdict_word(Reason.BUDGET)
    'blocked: budget'
    """
    return f"{verdict_of(reason).value}: {reason.value.replace('_', ' ')}"
