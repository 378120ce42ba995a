"""HTTP of the critic: doubt without a record."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from dissonance.contracts.api import Contradiction, ContradictReply, RowsRequest
from dissonance.roles.arrivals import ROW_PROBLEMS, features_of
from dissonance.roles.role import Workplace
from dissonance.roles.serving import doubt_of
from dissonance.security.permissions import Permission
from dissonance.web.bodies import json_reply, read_body
from dissonance.web.routes import ProtectedRouter


def routes(place: Workplace) -> ProtectedRouter:
    router = ProtectedRouter()

    @router.protected(
        "POST",
        "/v1/tasks/{task}/contradict",
        permission=Permission.CONTRADICT,
        body=RowsRequest,
        reply=ContradictReply,
        problems=ROW_PROBLEMS,
    )
    async def contradict(request: Request, task: str) -> Response:
        """What the proposer would answer, and how far the critic believes it. Nothing is recorded."""
        context = await place.catalogue.by_name(task)
        features = features_of(context, (await read_body(request, RowsRequest)).rows)
        serving = await place.catalogue.production(context.task)
        opinion = doubt_of(serving, features, serving.proposer.probabilities(features))
        classes = context.task.classes
        contradictions = [
            Contradiction(answer=classes[answer], probabilities=p, confidence=c, critic=q, doubt=1.0 - c, dissonance=d)
            for answer, p, c, q, d in zip(
                opinion.probabilities.argmax(axis=1).tolist(),
                opinion.probabilities.tolist(),
                opinion.confidences.tolist(),
                opinion.critic.tolist(),
                opinion.dissonances.tolist(),
                strict=True,
            )
        ]
        return json_reply(
            ContradictReply(
                task=task,
                model_digest=serving.proposer_digest,
                critic_digest=serving.critic_digest,
                classes=list(classes),
                contradictions=contradictions,
            )
        )

    return router
