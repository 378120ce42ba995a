"""The proposer serves the production model."""

from __future__ import annotations

import asyncio

from dissonance.contracts.topics import EventKind
from dissonance.roles.proposer.handle import Proposer
from dissonance.roles.proposer.keyring import KeyRing
from dissonance.roles.proposer.measuring import MeasuredModels
from dissonance.roles.proposer.protocols import mlflow, open_inference_grpc, open_inference_rest
from dissonance.roles.proposer.recording import Seals
from dissonance.roles.proposer.reservations import Reservations
from dissonance.roles.proposer.routes import routes
from dissonance.roles.proposer.standing import Standings
from dissonance.roles.proposer.warming import Warming
from dissonance.roles.role import AtWork, Role, Workplace
from dissonance.security.rows import seal_rows


def build(place: Workplace, seal: Seals = seal_rows) -> AtWork:
    """`seal`: how rows are sealed."""
    ring = KeyRing(
        place.keys,
        place.clock,
        place.randomness,
        place.breakers.make("proposer/keys"),
        place.metrics,
        spare_keys=place.spare_keys,
    )
    breaker = place.breakers.make("proposer/idempotency")
    reservations = Reservations(place.store, place.bus, place.clock, breaker)
    models = MeasuredModels(place.clock)
    proposer = Proposer(
        place.catalogue,
        place.outbox,
        ring,
        reservations,
        models,
        place.clock,
        place.randomness,
        place.metrics,
        seal=seal,
    )
    standings = Standings(place.catalogue, models, place.bus, place.replica)
    warming = Warming(place.catalogue, place.store)

    async def background() -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(warming.warm())
            tasks.create_task(ring.watch())
            tasks.create_task(reservations.watch())
            tasks.create_task(standings.stay_asked())

    router = routes(place, proposer)
    open_inference_rest.add_routes(router, place, proposer)
    mlflow.add_routes(router, place, proposer)
    grpc = open_inference_grpc.service(place, proposer)
    return AtWork(router, drain=proposer.drain, background=background, grpc=grpc, ready=warming.ready)


ROLE = Role(
    "proposer",
    "answers with the production model",
    (),
    (EventKind.PREDICTED, EventKind.ANSWER_KEPT),
    build,
)
