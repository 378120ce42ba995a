"""What comes next for an update on its way: labels promote, estimates only take back, and every phase ends."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dissonance.contracts.policy import Policy
from dissonance.contracts.updates import LIVE_PHASES, RolloutPhase
from dissonance.decisions.rollouts import ALLOWED_TO_OLD, Believed, Step, gravest, next_step
from dissonance.ports.rollouts import PairedCounts
from support.updates import rollout_of

SECOND_US = 1_000_000
POLICY = Policy(
    canary_labels_min=50, canary_max_s=1_000, rollback_window_s=500, golden_drop_max=0.015, harm_margin=0.01
)
NOTHING = PairedCounts(0, 0, 0, 0)
SURE_WORSE = Believed(500, -0.05, 0.005)
CANARY, ARMED = RolloutPhase.CANARY, RolloutPhase.ARMED


def step(
    phase: RolloutPhase, paired: PairedCounts = NOTHING, believed: Believed | None = None, now_s: int = 0
) -> Step | None:
    return next_step(rollout_of("t" * 32, 2, phase), paired, believed, now_s * SECOND_US, POLICY)


def phase_after(*arguments: object, **options: object) -> RolloutPhase | None:
    found = step(*arguments, **options)  # type: ignore[arg-type]  # passed through
    return None if found is None else found.phase


@pytest.mark.parametrize(
    ("paired", "now_s", "after"),
    [
        (NOTHING, 0, None),
        (PairedCounts(30, 19, 0, 0), 0, None),
        (PairedCounts(30, 40, 0, 0), 0, RolloutPhase.ARMED),
        (PairedCounts(30, 0, 60, 0), 0, RolloutPhase.ABANDONED),
        (PairedCounts(50, 5, 5, 0), 0, None),
        (PairedCounts(50, 5, 5, 0), 1_000, RolloutPhase.ABANDONED),
        (PairedCounts(50, 11, 4, 0), 0, None),
        (PairedCounts(50, 11, 4, 0), 1_000, RolloutPhase.ARMED),
        (PairedCounts(10, 0, 0, 0), 1_000, RolloutPhase.ABANDONED),
    ],
)
def test_a_canary_waits_for_labels_and_goes_where_they_say(
    paired: PairedCounts, now_s: int, after: RolloutPhase | None
) -> None:
    assert phase_after(CANARY, paired, now_s=now_s) is after


@pytest.mark.parametrize(
    ("paired", "now_s", "after"),
    [
        (NOTHING, 499, None),
        (NOTHING, 500, RolloutPhase.SETTLED),
        (PairedCounts(30, 40, 0, 0), 10, None),
        (PairedCounts(30, 0, 60, 0), 10, RolloutPhase.ROLLED_BACK),
        (PairedCounts(30, 0, 60, 0), 900, RolloutPhase.ROLLED_BACK),
        (PairedCounts(2_000, 5, 10, 0), 10, None),
    ],
)
def test_a_promotion_is_watched_and_taken_back_when_labels_turn_against_it(
    paired: PairedCounts, now_s: int, after: RolloutPhase | None
) -> None:
    assert phase_after(ARMED, paired, now_s=now_s) is after


@pytest.mark.parametrize(("phase", "after"), [(CANARY, RolloutPhase.ABANDONED), (ARMED, RolloutPhase.ROLLED_BACK)])
def test_before_any_label_a_sure_estimate_ends_it_and_says_its_numbers(
    phase: RolloutPhase, after: RolloutPhase
) -> None:
    found = step(phase, believed=SURE_WORSE)
    assert found is not None
    assert found.phase is after
    assert "0.0500 below" in found.reason
    assert "500 inputs" in found.reason
    assert step(phase, believed=Believed(500, -0.05, 0.02)) is None, "an unsure estimate does not"
    assert step(phase, believed=Believed(500, -0.009, 0.0001)) is None, "nor one within the margin"
    assert step(phase, believed=Believed(500, float("nan"), float("nan"))) is None, "nor one that is no number"


def test_what_an_honest_update_may_cost_the_old_critic_ends_nothing_and_more_than_that_does() -> None:
    by_new, honest = Believed(300, 0.01, 0.005), Believed(300, -0.044, 0.009, ALLOWED_TO_OLD)
    poisoned = Believed(300, -0.196, 0.02, ALLOWED_TO_OLD)

    assert step(CANARY, believed=gravest([by_new, honest])) is None
    found = step(CANARY, believed=gravest([by_new, poisoned]))
    assert found is not None
    assert found.phase is RolloutPhase.ABANDONED
    assert "0.1960 below" in found.reason and "margin 0.06" in found.reason


def test_a_canary_whose_time_is_over_says_how_sure_it_is_and_how_sure_it_must_be() -> None:
    found = step(CANARY, PairedCounts(50, 5, 5, 0), now_s=1_000)
    assert found is not None
    assert '0.28 standard errors above "0.015 worse"; to go live it must lie 1.96 above that' in found.reason


@given(st.floats(-1, 1), st.floats(0, 1), st.integers(0, 10_000))
def test_an_estimate_never_promotes(difference: float, error: float, rows: int) -> None:
    found = step(CANARY, believed=Believed(rows, difference, error))
    assert found is None or found.phase is RolloutPhase.ABANDONED


@given(st.integers(0, 300), st.integers(0, 300), st.integers(0, 300), st.sampled_from([CANARY, ARMED]))
def test_every_phase_ends_when_its_time_is_over(both: int, model: int, shadow: int, phase: RolloutPhase) -> None:
    found = step(phase, PairedCounts(both, model, shadow, 0), now_s=1_000)
    assert found is not None
    assert found.phase not in ({CANARY} if phase is CANARY else {CANARY, ARMED})
    assert found.reason


@pytest.mark.parametrize("phase", sorted(set(RolloutPhase) - LIVE_PHASES))
def test_what_has_ended_stays_ended(phase: RolloutPhase) -> None:
    assert step(phase, PairedCounts(0, 0, 100, 0), SURE_WORSE, 10_000) is None
