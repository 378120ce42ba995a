"""What clients saw, held against what the system says of it afterwards. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import msgspec

from dissonance.contracts.events import CANARY_ARM, PRODUCTION_ARM

SAME_DOUBT = 1e-9
"""Between the doubt of a reply and the one that is told: both are computed from the same row by the same critic."""


class Reply(NamedTuple):
    """What a client saw of one prediction. `doubt`: where it was asked for. `sent_s`, `got_s`: the time of the event
    loop; `label`: the true class."""

    prediction_id: str
    version: int
    model_digest: str
    doubt: float | None
    sent_s: float
    got_s: float
    label: int


class Canary(NamedTuple):
    """`version` answers a share of requests beside `production`: asked for at `begun_s`; until `sure_until_s` nothing
    could have promoted it; at `over_s` every replica was on what became of it. Times of the event loop."""

    version: int
    production: int
    begun_s: float
    sure_until_s: float
    over_s: float


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """What `dissonance models who-answered --json` says of one, so far as a client can know it."""

    prediction_id: str
    version: int | None
    model_digest: str
    arm: str
    critic_version: int | None
    shadow_version: int | None
    doubt: float


class Account(NamedTuple):
    """`answers` by version and arm as told; `doubts`: predictions whose doubt a client saw; `sure_arms`: whose arm
    can have been one only; `wrong`: predictions of which that is told otherwise than it was, `not_told` included."""

    predictions: int
    answers: Counter[tuple[int | None, str]]
    doubts: int
    sure_arms: int
    wrong: Counter[str]


def possible_arms(reply: Reply, canaries: Iterable[Canary]) -> set[str]:
    """
    >>> canary = Canary(2, 1, begun_s=10.0, sure_until_s=20.0, over_s=30.0)
    >>> seen = Reply("a", 2, "", None, sent_s=15.0, got_s=15.1, label=0)
    >>> possible_arms(seen, [canary]), possible_arms(seen._replace(version=1), [canary])
    ({'canary'}, {'production'})
    """
    touched = [each for each in canaries if each.version == reply.version and each.begun_s <= reply.got_s]
    touched = [each for each in touched if reply.sent_s <= each.over_s]
    if not touched:
        return {PRODUCTION_ARM}
    if any(reply.got_s <= each.sure_until_s for each in touched):
        return {CANARY_ARM}
    return {PRODUCTION_ARM, CANARY_ARM}


def account_of(
    replies: Sequence[Reply], told: Iterable[Told], canaries: Sequence[Canary], critics: Mapping[int, int]
) -> Account:
    """`critics`: the critic that was registered for each version."""
    by_id = {each.prediction_id: each for each in told}
    wrong: Counter[str] = Counter()
    for reply in replies:
        found = by_id.get(reply.prediction_id)
        wrong.update(["not_told"] if found is None else _wrong(reply, found, canaries, critics))
    return Account(
        predictions=len(replies),
        answers=Counter((each.version, each.arm) for each in by_id.values()),
        doubts=sum(reply.doubt is not None for reply in replies),
        sure_arms=sum(len(possible_arms(reply, canaries)) == 1 for reply in replies),
        wrong=wrong,
    )


def _wrong(reply: Reply, told: Told, canaries: Sequence[Canary], critics: Mapping[int, int]) -> list[str]:
    beside = {each.production for each in canaries if each.version == reply.version}
    holds = {
        "version": told.version == reply.version,
        "digest": told.model_digest == reply.model_digest,
        "arm": told.arm in possible_arms(reply, canaries),
        "critic": told.critic_version is not None and told.critic_version == critics.get(reply.version),
        "doubt": reply.doubt is None or abs(told.doubt - reply.doubt) <= SAME_DOUBT,
        "shadow": told.arm != CANARY_ARM or told.shadow_version in beside,
    }
    return [name for name, held in holds.items() if not held]
