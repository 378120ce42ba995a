"""The auditor looks whether everything is as it should be, and says what is not and how to mend it."""

from __future__ import annotations

from dissonance.contracts.topics import EventKind
from dissonance.roles.auditor.handle import Auditor
from dissonance.roles.auditor.observe import Observed, Observer
from dissonance.roles.auditor.routes import routes
from dissonance.roles.role import AtWork, Role, Workplace


def build(place: Workplace) -> AtWork:
    observer = Observer(
        Observed(
            store=place.store,
            keys=place.keys,
            bus=place.bus,
            registry=place.registry,
            models=place.models,
            host=place.host,
            clock=place.clock,
            breakers=place.breakers,
        )
    )
    auditor = Auditor(observer, place.store, place.bus, place.clock)
    return AtWork(routes(place), background=auditor.run)


ROLE = Role(
    "auditor",
    "looks whether everything is as it should be",
    (),
    (EventKind.FINDING_RAISED, EventKind.FINDING_RESOLVED),
    build,
)
