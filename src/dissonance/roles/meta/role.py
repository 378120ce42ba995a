"""The meta-controller owns the policy and sets the weight of the dissonance penalty."""

from __future__ import annotations

from dissonance.contracts.topics import EventKind
from dissonance.roles.meta.handle import MetaController
from dissonance.roles.meta.routes import routes
from dissonance.roles.role import AtWork, Role, Work, Workplace

CONSUMES = (EventKind.CANDIDATE_REGISTERED,)


def build(place: Workplace) -> AtWork:
    controller = MetaController(place.store, place.clock)
    return AtWork(routes(place, controller), (Work("meta", CONSUMES, controller.handle),))


ROLE = Role("meta", "owns the policy and sets the penalty's weight", CONSUMES, (EventKind.POLICY_CHANGED,), build)
