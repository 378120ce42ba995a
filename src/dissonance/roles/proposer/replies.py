"""Answers as the API gives them."""

from __future__ import annotations

from collections.abc import Sequence

from dissonance.contracts.api import Prediction, PredictReply
from dissonance.contracts.ids import id_text
from dissonance.roles.catalogue import TaskContext
from dissonance.roles.proposer.ask import Answered
from dissonance.roles.proposer.decide import answers
from dissonance.roles.serving import Opinion, Serving


def predict_reply(
    context: TaskContext, serving: Serving, answered: Answered, opinion: Opinion | None = None
) -> PredictReply:
    """`serving`: the pair that answered; with `opinion` also doubt and dissonance."""
    classes, probabilities = context.task.classes, answered.probabilities.tolist()
    doubts: Sequence[float | None] = [None] * len(answered.prediction_ids)
    dissonances = doubts
    if opinion is not None:
        doubts, dissonances = (1.0 - opinion.confidences).tolist(), opinion.dissonances.tolist()
    return PredictReply(
        task=context.task.name,
        model_version=serving.version,
        model_digest=answered.model_digest,
        classes=list(classes),
        predictions=[
            Prediction(
                prediction_id=id_text(prediction_id),
                answer=classes[answer],
                probabilities=p,
                doubt=doubt,
                dissonance=dissonance,
            )
            for prediction_id, answer, p, doubt, dissonance in zip(
                answered.prediction_ids,
                answers(probabilities),
                probabilities,
                doubts,
                dissonances,
                strict=True,
            )
        ],
    )
