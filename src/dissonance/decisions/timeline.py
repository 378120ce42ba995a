"""Which version answered when, as the decisions have it. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from dissonance.contracts.evidence import DecisionKind
from dissonance.decisions.evidence.bundle import Bundle


class InForce(NamedTuple):
    """`canary` answers a `share` of requests, `production` the others; None: there is none."""

    production: int | None
    canary: int | None = None
    share: float = 0.0


def in_force(bundles: Iterable[Bundle]) -> InForce:
    """After these decisions, in the order of their chain.

    >>> in_force([])
    InForce(production=None, canary=None, share=0.0)
    """
    now = InForce(None)
    for bundle in bundles:
        if bundle.kind is DecisionKind.CANARY:
            now = InForce(bundle.production, bundle.candidate.version, bundle.policy.canary_share)
        elif bundle.judgement is None:
            now = InForce(bundle.production)
    return now


def until(bundles: Iterable[Bundle], time_us: int) -> list[Bundle]:
    """Those decided up to a time of the clock."""
    return [bundle for bundle in bundles if bundle.decided_at_us <= time_us]


def until_event_time(bundles: Iterable[Bundle], time_us: int) -> list[Bundle]:
    """Those decided before event time had come further than this. A first version answers whatever is older, too."""
    return [bundle for bundle in bundles if bundle.incumbent is None or bundle.event_time_us <= time_us]
