"""Answers as the API gives them."""

from __future__ import annotations

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
    ids = map(id_text, answered.prediction_ids)
    given = zip(ids, answers(probabilities), probabilities, strict=True)
    if opinion is None:
        predictions = [
            Prediction(prediction_id=name, answer=classes[answer], probabilities=p) for name, answer, p in given
        ]
    else:
        doubted = zip(given, (1.0 - opinion.confidences).tolist(), opinion.dissonances.tolist(), strict=True)
        predictions = [
            Prediction(prediction_id=name, answer=classes[answer], probabilities=p, doubt=doubt, dissonance=dissonance)
            for (name, answer, p), doubt, dissonance in doubted
        ]
    return PredictReply(
        task=context.task.name,
        model_version=serving.version,
        model_digest=answered.model_digest,
        classes=list(classes),
        predictions=predictions,
    )
