"""The gate says yes or no: may this input be learnt from, may this update go live, must it come back?"""

from __future__ import annotations

import asyncio

from dissonance.contracts.topics import EventKind
from dissonance.roles.gate.anchoring import keep_anchored
from dissonance.roles.gate.handle import Gate
from dissonance.roles.gate.routes import routes
from dissonance.roles.gate.updates import GateUpdates
from dissonance.roles.gate.watching import RolloutWatch
from dissonance.roles.role import LINGER_S, AtWork, Role, Work, Workplace

INPUTS = (EventKind.CONTRADICTED,)
CANDIDATES = (EventKind.CANDIDATE_REGISTERED,)
EVIDENCE = (EventKind.LABELS_JOINED, EventKind.WINDOW_EVALUATED)

REST_S = 1.0
"""A rollout is looked at as a whole: once a second bounds what a busy stream costs."""


def build(place: Workplace) -> AtWork:
    gate = Gate(place.catalogue, place.store, place.keys, place.clock)
    updates = GateUpdates(place.updates)
    work = (
        Work("gate", INPUTS, gate.handle, linger_s=LINGER_S),
        Work("gate-updates", CANDIDATES, updates.judge),
        Work("gate-rollouts", EVIDENCE, updates.advance, REST_S),
    )
    watch = RolloutWatch(place.updates, place.store, place.outbox, place.clock)

    async def beside() -> None:
        await asyncio.gather(keep_anchored(place.anchoring), watch.watch())

    return AtWork(routes(place), work, background=beside)


ROLE = Role(
    "gate",
    "judges what may be learnt from and what may go live, and takes it back",
    (*INPUTS, *CANDIDATES, *EVIDENCE),
    (
        EventKind.JUDGED,
        EventKind.UPDATE_JUDGED,
        EventKind.ROLLOUT_CHANGED,
        EventKind.MODEL_PROMOTED,
        EventKind.MODEL_ROLLED_BACK,
        EventKind.INCIDENT_RAISED,
    ),
    build,
)
