"""The proposer serves the production model."""

from __future__ import annotations

from dissonance.contracts.topics import EventKind
from dissonance.roles.proposer.handle import Proposer
from dissonance.roles.proposer.routes import routes
from dissonance.roles.role import AtWork, Role, Workplace


def build(place: Workplace) -> AtWork:
    proposer = Proposer(place.catalogue, place.bus, place.keys, place.store, place.clock, place.randomness)
    return AtWork(routes(place, proposer), drain=proposer.drain)


ROLE = Role("proposer", "answers with the production model", (), (EventKind.PREDICTED,), build)
