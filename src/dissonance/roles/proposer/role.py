"""The proposer serves the production model."""

from __future__ import annotations

from dissonance.contracts.topics import EventKind
from dissonance.roles.proposer.handle import Proposer
from dissonance.roles.proposer.protocols import mlflow, open_inference_grpc, open_inference_rest
from dissonance.roles.proposer.routes import routes
from dissonance.roles.role import AtWork, Role, Workplace


def build(place: Workplace) -> AtWork:
    proposer = Proposer(place.catalogue, place.bus, place.keys, place.store, place.clock, place.randomness)
    router = routes(place, proposer)
    open_inference_rest.add_routes(router, place, proposer)
    mlflow.add_routes(router, place, proposer)
    return AtWork(router, drain=proposer.drain, grpc=open_inference_grpc.service(place, proposer))


ROLE = Role("proposer", "answers with the production model", (), (EventKind.PREDICTED,), build)
