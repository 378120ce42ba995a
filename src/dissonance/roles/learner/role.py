"""The learner keeps what may be learnt from, and joins labels to it."""

from __future__ import annotations

from dissonance.contracts.topics import EventKind
from dissonance.roles.learner.handle import Learner
from dissonance.roles.learner.housekeeping import Housekeeping
from dissonance.roles.learner.routes import routes
from dissonance.roles.role import AtWork, Role, Work, Workplace


def build(place: Workplace) -> AtWork:
    learner = Learner(place.store, place.keys, place.clock)
    work = (
        Work("learner", (EventKind.JUDGED,), learner.store),
        Work("learner-labels", (EventKind.LABELLED,), learner.join),
    )
    return AtWork(routes(place), work, background=Housekeeping(place.store, place.clock).run)


ROLE = Role(
    "learner",
    "stores experience and joins labels",
    (EventKind.JUDGED, EventKind.LABELLED),
    (EventKind.EXPERIENCED, EventKind.LABELLED, EventKind.LABELS_JOINED),
    build,
)
