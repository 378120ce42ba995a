"""What became of every update, in the words that table and report share. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from dissonance.contracts.counts import counted
from dissonance.contracts.events import UpdateJudged
from dissonance.contracts.updates import RolloutPhase
from dissonance.contracts.verdicts import UpdateVerdict
from dissonance.ports.rollouts import Rollout


class Update(msgspec.Struct, frozen=True):
    """`refused`: what the gate held against the version, empty when it held nothing; `phase`: where its latest rollout
    is, empty when it had none; `reason`: why."""

    version: int
    refused: str = ""
    phase: str = ""
    reason: str = ""


def updates_of(judged: Iterable[UpdateJudged], rollouts: Iterable[Rollout]) -> list[Update]:
    """One a version, in order of versions; both are newest first, as the store gives them."""
    refused: dict[int, str] = {}
    for each in judged:
        held_against = "" if each.verdict is UpdateVerdict.ACCEPTED else _failed(each) or each.verdict.value
        refused[each.version] = refused.get(each.version) or held_against
    latest: dict[int, Rollout] = {}
    for rollout in rollouts:
        latest.setdefault(rollout.version, rollout)
    return [
        Update(
            version,
            refused.get(version, ""),
            latest[version].phase.value if version in latest else "",
            latest[version].reason if version in latest else "",
        )
        for version in sorted({*refused, *latest})
    ]


def _failed(judged: UpdateJudged) -> str:
    """The first rule that does not hold, and how many more: all of them stand where they were told."""
    failed = [finding.what for finding in judged.findings if not finding.holds]
    more = f"; {len(failed) - 1} more" if len(failed) > 1 else ""
    return f"{failed[0]}{more}" if failed else ""


def went_live(own: int) -> str:
    """
    >>> went_live(1), went_live(2)
    ('1 update went live by itself', '2 updates went live by themselves')
    """
    return counted(own, "update went live by itself", "updates went live by themselves")


def canaries_words(updates: Sequence[Update]) -> str:
    """Those that ended without going live, and what is still under way.

    >>> canaries_words([Update(2, phase="settled"), Update(4, phase="abandoned"), Update(5, phase="canary")])
    '1 ended without going live: version 4; version 5 still answers a share of the rows'
    """
    ended = [each for each in updates if each.phase == RolloutPhase.ABANDONED]
    words = [f"{len(ended) or 'none'} ended without going live{versions_words(ended)}"]
    for each in updates:
        if each.phase == RolloutPhase.CANARY:
            words.append(f"version {each.version} still answers a share of the rows")
        elif each.phase == RolloutPhase.ARMED:
            words.append(f"version {each.version} is live and still watched")
    return "; ".join(words)


def versions_words(updates: Sequence[Update]) -> str:
    """
    >>> versions_words([]), versions_words([Update(4), Update(5), Update(7)])
    ('', ': versions 4, 5 and 7')
    """
    numbers = [str(each.version) for each in updates]
    if len(numbers) < 2:
        return "".join(f": version {number}" for number in numbers)
    return f": versions {', '.join(numbers[:-1])} and {numbers[-1]}"


def refused_words(updates: Sequence[Update], meddled: int) -> str:
    """What the gate refused, each with its reason; `meddled` is the version that somebody wanted promoted.

    >>> refused_words([Update(2), Update(3, "log loss 0.6"), Update(6, "accuracy 0.5")], 6)
    '2 versions: 3 (log loss 0.6); 6, which somebody wanted promoted (accuracy 0.5)'
    """
    refused = [each for each in updates if each.refused]
    words = [
        f"{each.version}{', which somebody wanted promoted' if each.version == meddled else ''} ({each.refused})"
        for each in refused
    ]
    return f"{counted(len(refused), 'version')}: {'; '.join(words)}" if refused else "none"
