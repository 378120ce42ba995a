"""The evaluator says how good the answers of a window are, notices harm, and asks for updates."""

from __future__ import annotations

from dissonance.contracts.topics import EventKind
from dissonance.roles.evaluator.days import Days
from dissonance.roles.evaluator.estimating import Estimating
from dissonance.roles.evaluator.handle import Evaluator
from dissonance.roles.evaluator.noticing import Noticing
from dissonance.roles.evaluator.routes import routes
from dissonance.roles.evaluator.slicing import Slicing
from dissonance.roles.role import AtWork, Role, Work, Workplace

STATES, ESTIMATES = (EventKind.EXPERIENCED, EventKind.LABELS_JOINED), (EventKind.WINDOW_EVALUATED,)

REST_S = 1.0
"""A window costs what it holds, not what came: stating it once a second bounds what a busy stream costs."""


def build(place: Workplace) -> AtWork:
    noticing = Noticing(place.store, place.registry, place.clock)
    slicing = Slicing(place.store, place.keys)
    evaluator = Evaluator(place.catalogue, place.store, place.clock, slicing, noticing)
    estimating = Estimating(place.catalogue, place.store, place.clock, place.estimates, noticing)
    work = (
        Work("evaluator", STATES, evaluator.handle, REST_S),
        Work("evaluator-estimates", ESTIMATES, estimating.handle),
    )
    return AtWork(routes(place), work, background=Days(place.store, place.registry).run)


ROLE = Role(
    "evaluator",
    "states windows and restates them, estimates how accurate they are, notices harm, asks for updates",
    (*STATES, *ESTIMATES),
    (EventKind.WINDOW_EVALUATED, EventKind.HARM_ESTIMATED, EventKind.RETRAIN_REQUESTED),
    build,
)
