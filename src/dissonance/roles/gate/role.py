"""The gate says yes or no: may this input be learnt from?"""

from __future__ import annotations

from dissonance.contracts.topics import EventKind
from dissonance.roles.gate.handle import Gate
from dissonance.roles.gate.routes import routes
from dissonance.roles.role import AtWork, Role, Work, Workplace

CONSUMES = (EventKind.CONTRADICTED,)


def build(place: Workplace) -> AtWork:
    gate = Gate(place.catalogue, place.store, place.keys, place.clock)
    return AtWork(routes(place), (Work("gate", CONSUMES, gate.handle),))


ROLE = Role("gate", "judges what may be learnt from", CONSUMES, (EventKind.JUDGED,), build)
