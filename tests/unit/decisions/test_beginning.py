"""Which version was taken back, from the rollouts that there were."""

from __future__ import annotations

import pytest

from dissonance.contracts.updates import RolloutPhase
from dissonance.decisions.beginning import how_it_ended
from support.updates import rollout_of

TASK = "0" * 32


@pytest.mark.parametrize("phase", list(RolloutPhase))
def test_version_counts_as_taken_back_where_its_last_rollout_ended_without_it(phase: RolloutPhase) -> None:
    last = rollout_of(TASK, 2, phase)
    ended = phase in (RolloutPhase.ABANDONED, RolloutPhase.ROLLED_BACK)
    assert how_it_ended([rollout_of(TASK, 3), last], 2) == (last if ended else None)


def test_version_that_was_sent_again_since_or_never_was_is_not_taken_back() -> None:
    rollouts = [rollout_of(TASK, 2, RolloutPhase.SETTLED), rollout_of(TASK, 2, RolloutPhase.ROLLED_BACK)]
    assert how_it_ended(rollouts, 2) is None
    assert how_it_ended(rollouts, 3) is None
