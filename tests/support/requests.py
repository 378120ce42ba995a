"""Label requests about rows of an event."""

from __future__ import annotations

from dissonance.contracts.events import Judged
from dissonance.ports.labels import AskedAs, LabelRequest


def asked(
    event: Judged,
    row: int,
    asked_as: AskedAs = AskedAs.CHOSEN,
    request_id: bytes | None = None,
    propensity: float = 0.5,
) -> LabelRequest:
    """Asked for at once; its id is the prediction's unless given."""
    return LabelRequest(
        request_id=event.prediction_ids[row] if request_id is None else request_id,
        prediction_id=event.prediction_ids[row],
        data_subject=event.data_subjects[row],
        asked_as=asked_as,
        propensity=propensity,
        random_propensity=0.25,
        event_time_us=event.event_times_us[row],
        asked_at_us=event.processing_times_us[row],
    )
