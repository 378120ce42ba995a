"""The critic doubts every answer."""

from __future__ import annotations

from dissonance.contracts.topics import EventKind
from dissonance.roles.critic.handle import Critic
from dissonance.roles.critic.routes import routes
from dissonance.roles.role import LINGER_S, AtWork, Role, Work, Workplace

CONSUMES = (EventKind.PREDICTED,)


def build(place: Workplace) -> AtWork:
    critic = Critic(place.catalogue, place.keys, place.clock, place.randomness)
    return AtWork(routes(place), (Work("critic", CONSUMES, critic.handle, linger_s=LINGER_S),))


ROLE = Role("critic", "doubts every answer", CONSUMES, (EventKind.CONTRADICTED,), build)
