"""What waits is told by consumer, whatever stream it reads."""

from __future__ import annotations

from dissonance.adapters.nats.state import StreamState
from dissonance.contracts.topics import EventKind
from dissonance.drills.soak.gauge import lag_of


def test_lag_is_by_consumer_over_all_streams() -> None:
    states = {
        EventKind.JUDGED: StreamState(9, 900, {"learner-judged": 2}),
        EventKind.LABELS_JOINED: StreamState(3, 90, {"evaluator-labels_joined": 0, "gate-rollouts-labels_joined": 1}),
        EventKind.TASK_CREATED: StreamState(1, 10, {}),
    }

    assert lag_of(states) == {"learner-judged": 2, "evaluator-labels_joined": 0, "gate-rollouts-labels_joined": 1}
