"""The learner keeps what may be learnt from, asks for labels, joins them, and learns."""

from __future__ import annotations

from dissonance.contracts.topics import EventKind
from dissonance.roles.learner.answers import KeptAnswers
from dissonance.roles.learner.asking import Asking
from dissonance.roles.learner.handle import Learner
from dissonance.roles.learner.housekeeping import Housekeeping
from dissonance.roles.learner.routes import routes
from dissonance.roles.learner.updates import LearnerUpdates
from dissonance.roles.role import LINGER_S, AtWork, Role, Work, Workplace

KEEPS, JOINS, LEARNS = (EventKind.JUDGED,), (EventKind.LABELLED,), (EventKind.RETRAIN_REQUESTED,)
ANSWERS = (EventKind.ANSWER_KEPT,)


def build(place: Workplace) -> AtWork:
    asking = Asking(place.catalogue, place.store, place.clock)
    learner = Learner(place.catalogue, place.store, place.keys, place.clock, asking)
    work = (
        Work("learner", KEEPS, learner.store, linger_s=LINGER_S),
        Work("learner-labels", JOINS, learner.join),
        Work("learner-answers", ANSWERS, KeptAnswers(place.store).handle),
        Work("learner-updates", LEARNS, LearnerUpdates(place.updates).handle),
    )
    return AtWork(routes(place), work, background=Housekeeping(place.store, place.clock).run)


ROLE = Role(
    "learner",
    "stores experience, asks for labels and joins them, learns from them",
    (*KEEPS, *JOINS, *ANSWERS, *LEARNS),
    (EventKind.EXPERIENCED, EventKind.LABELLED, EventKind.LABELS_JOINED, EventKind.CANDIDATE_REGISTERED),
    build,
)
