"""Laws of auditing with labels of known chances: unbiased whatever is believed, and as often right as it says."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from dissonance.errors import InputError
from dissonance.science.active_inference import Audit, Bounds, Estimand, audit
from dissonance.science.arrays import Mask, Vector
from dissonance.science.counted_labels import Asked, Counted, Delay, counted
from dissonance.science.proportions import wilson_interval


def known_with(chances: Vector, known: Mask) -> Counted:
    none = np.zeros(len(chances), dtype=np.bool_)
    return Counted(~none, known, chances, none, True)


def drawn(generator: np.random.Generator, beliefs: Vector, chances: Vector, true: Vector) -> Audit:
    """One draw of answers and labels, audited."""
    right = (generator.random(len(true)) < true).astype(np.float64)
    known = generator.random(len(true)) < chances
    return audit(beliefs, np.where(known, right, np.nan), known_with(chances, known))


def coverage(draws: list[Audit], truth: float) -> float:
    return float(np.mean([each.once.low <= truth <= each.once.high for each in draws]))


def test_interval_covers_though_the_belief_is_wrong_and_the_unsure_are_asked_more_often() -> None:
    generator = np.random.default_rng(1)
    true = generator.beta(6.0, 2.0, 2_000)
    beliefs = np.clip(true + 0.15, 0.0, 1.0)
    chances = np.where(np.abs(2.0 * beliefs - 1.0) < 0.6, 0.3, 0.03)
    draws = [drawn(generator, beliefs, chances, true) for _ in range(500)]
    assert np.mean([each.estimate for each in draws]) == pytest.approx(true.mean(), abs=0.005)
    assert abs(beliefs.mean() - true.mean()) > 0.08, "believed, it would be far off"
    assert 0.935 <= coverage(draws, float(true.mean())) <= 0.99


def test_chances_of_rows_that_were_not_drawn_need_not_have_been_kept() -> None:
    generator = np.random.default_rng(8)
    true = generator.beta(6.0, 2.0, 1_000)
    beliefs = np.clip(true + 0.15, 0.0, 1.0)
    chances = np.where(np.abs(2.0 * beliefs - 1.0) < 0.6, 0.3, 0.03)
    kept, lost = list[Audit](), list[Audit]()
    for _ in range(500):
        right = (generator.random(1_000) < true).astype(np.float64)
        known = generator.random(1_000) < chances
        losses = np.where(known, right, np.nan)
        kept.append(audit(beliefs, losses, known_with(chances, known)))
        lost.append(audit(beliefs, losses, known_with(np.where(known, chances, np.nan), known)))
    assert [each.estimate for each in lost] == [each.estimate for each in kept]
    widths = [float(np.mean([np.ptp(each.once[1:]) for each in of])) for of in (lost, kept)]
    assert widths[0] == pytest.approx(widths[1], rel=0.03)
    assert 0.935 <= coverage(lost, float(true.mean())) <= 0.99


def test_few_labels_and_a_model_that_is_nearly_always_right_do_not_look_certain() -> None:
    generator = np.random.default_rng(2)
    true = np.full(1_000, 0.97)
    draws = [drawn(generator, np.full(1_000, 0.99), np.full(1_000, 0.05), true) for _ in range(500)]
    assert coverage(draws, 0.97) >= 0.93


def test_a_good_belief_makes_the_interval_narrower_and_a_useless_one_no_wider_than_counting() -> None:
    generator = np.random.default_rng(3)
    true = np.where(generator.random(4_000) < 0.3, 0.2, 0.98)
    chances = np.full(4_000, 0.05)
    good = [drawn(generator, true, chances, true) for _ in range(50)]
    useless = [drawn(generator, generator.random(4_000), chances, true) for _ in range(50)]
    counting = np.mean([np.ptp(wilson_interval(round(true.mean() * each.labels), each.labels)[1:]) for each in good])
    assert np.mean([np.ptp(each.once[1:]) for each in good]) < 0.85 * counting
    assert np.mean([np.ptp(each.once[1:]) for each in useless]) < 1.1 * counting


def test_with_every_label_the_mean_of_these_rows_is_known() -> None:
    right = np.array([1.0, 1.0, 0.0, 1.0])
    every = np.ones(4, dtype=np.bool_)
    found = audit(np.full(4, 0.5), right, known_with(np.ones(4), every), estimand=Estimand.ROWS)
    assert found.estimate == pytest.approx(0.75)
    assert found.once[1:] == pytest.approx((0.75, 0.75))
    of_traffic = audit(np.full(4, 0.5), right, known_with(np.ones(4), every))
    assert of_traffic.once.low < 0.5


def test_without_a_label_the_interval_is_as_wide_as_can_be() -> None:
    none = np.zeros(50, dtype=np.bool_)
    found = audit(np.full(50, 0.8), np.full(50, np.nan), known_with(np.full(50, 0.02), none))
    assert (found.labels, found.estimate) == (0, pytest.approx(0.8))
    assert found.once[1:] == (0.0, 1.0)


VALUES = st.lists(st.tuples(st.floats(0, 1), st.booleans(), st.booleans(), st.floats(0.01, 1)), min_size=1, max_size=50)


@given(VALUES, st.sampled_from(Estimand))
@example([(0.0, False, True, 0.9999999999999999), (0.0, False, True, 0.75)], Estimand.TRAFFIC)
def test_intervals_hold_the_estimate_within_bounds_and_that_for_any_time_is_the_wider(
    rows: list[tuple[float, bool, bool, float]], estimand: Estimand
) -> None:
    beliefs, right, known, chances = (np.array(column) for column in zip(*rows, strict=True))
    found = audit(beliefs, right.astype(np.float64), known_with(chances, known), estimand=estimand)
    assert found.at_any_time is not None
    for interval in (found.once, found.at_any_time):
        assert 0.0 <= interval.low <= interval.estimate <= interval.high <= 1.0
    assert found.at_any_time.low <= found.once.low + 1e-12
    assert found.at_any_time.high >= found.once.high - 1e-12


@given(VALUES, st.floats(0.1, 50.0), st.floats(-20.0, 20.0))
def test_a_loss_on_another_scale_has_the_same_interval_on_that_scale(
    rows: list[tuple[float, bool, bool, float]], scale: float, start: float
) -> None:
    beliefs, right, known, chances = (np.array(column) for column in zip(*rows, strict=True))
    labels, losses = known_with(chances, known), right.astype(np.float64)
    usual = audit(beliefs, losses, labels)
    bounds = Bounds(start, start + scale)
    other = audit(
        np.clip(start + scale * beliefs, *bounds), np.clip(start + scale * losses, *bounds), labels, bounds=bounds
    )
    np.testing.assert_allclose(other.once, start + scale * np.array(usual.once), atol=1e-6 * scale)


def test_labels_of_later_rows_do_not_bend_what_was_believed_of_earlier_ones() -> None:
    """So that the sum is a martingale: the estimate over the first rows is the same with later ones turned round."""
    generator = np.random.default_rng(5)
    beliefs, known = generator.random(200), generator.random(200) < 0.3
    right = (generator.random(200) < beliefs).astype(np.float64)
    turned = np.where(np.arange(200) < 100, right, 1.0 - right)
    chances = np.full(200, 0.3)
    first = np.arange(200) < 100
    labels = known_with(chances, known)._replace(rows=first, known=known & first)
    assert audit(beliefs, right, labels) == audit(beliefs, turned, labels)


def test_looked_at_after_every_few_labels_the_sequence_misses_in_few_histories_and_one_look_intervals_in_many() -> None:
    generator = np.random.default_rng(6)
    missed_once = missed_any = 0
    for _ in range(150):
        true = generator.beta(6.0, 2.0, 3_000)
        known = generator.random(3_000) < 0.1
        right = (generator.random(3_000) < true).astype(np.float64)
        looks = []
        for end in range(300, 3_001, 300):
            chances = np.full(end, 0.1)
            looks.append(audit(np.full(end, 0.75), right[:end], known_with(chances, known[:end])))
        missed_once += not all(each.once.low <= 0.75 <= each.once.high for each in looks)
        missed_any += any(
            each.at_any_time is None or not each.at_any_time.low <= 0.75 <= each.at_any_time.high for each in looks
        )
    assert missed_any <= 7
    assert missed_once > 15, "looked at ten times, an interval for one look is wrong far more often than it says"


def late(delay: Delay, seed: int) -> tuple[float, float]:
    """Coverage and mean error where labels of wrong answers take ten times as long, under an assumption."""
    generator = np.random.default_rng(seed)
    hits, errors = [], []
    for _ in range(200):
        at = np.sort(generator.uniform(0.0, 100.0, 2_000))
        true = generator.beta(6.0, 2.0, 2_000)
        right = (generator.random(2_000) < true).astype(np.float64)
        took = generator.exponential(np.where(right > 0.0, 3.0, 30.0)).clip(max=60.0)
        labels = Asked(np.full(2_000, 0.15), generator.random(2_000) < 0.15, at, at + took)
        found = audit(true, right, counted(labels, now_s=100.0, maturity_s=60.0, delay=delay))
        hits.append(found.once.low <= 0.75 <= found.once.high)
        errors.append(found.estimate - 0.75)
    return float(np.mean(hits)), float(np.mean(errors))


def test_interval_covers_when_labels_of_wrong_answers_come_late_and_only_mature_rows_count() -> None:
    covered, error = late(Delay.ANY, 7)
    assert covered >= 0.925
    assert abs(error) < 0.01


def test_to_assume_that_delay_does_not_depend_on_the_answer_where_it_does_is_found_too_accurate() -> None:
    covered, error = late(Delay.INDEPENDENT, 7)
    assert covered < 0.8
    assert error > 0.02


def test_what_was_asked_and_never_answered_widens_the_interval_by_all_it_could_be() -> None:
    generator = np.random.default_rng(8)
    known = generator.random(1_000) < 0.2
    right = np.ones(1_000)
    labels = known_with(np.full(1_000, 0.2), known)
    silent = known & (np.cumsum(known) <= 10)
    without = labels._replace(known=known & ~silent, unanswered=silent)
    all_known, some = audit(np.full(1_000, 0.9), right, labels), audit(np.full(1_000, 0.9), right, without)
    assert some.unanswered == 10
    assert some.once.low < all_known.once.low - 0.03
    assert some.once.high >= all_known.once.high - 1e-3


def test_impossible_input_is_refused() -> None:
    labels = known_with(np.full(3, 0.5), np.ones(3, dtype=np.bool_))
    good = np.array([0.5, 1.0, 0.0])
    with pytest.raises(InputError, match="beliefs"):
        audit(good[:2], good, labels)
    with pytest.raises(InputError, match="belief outside"):
        audit(good + 0.5, good, labels)
    with pytest.raises(InputError, match="loss outside"):
        audit(good, np.array([0.0, 1.0, np.nan]), labels)
    with pytest.raises(InputError, match="no row"):
        audit(good, good, labels._replace(rows=np.zeros(3, dtype=np.bool_)))
    with pytest.raises(InputError, match="chance"):
        audit(good, good, labels._replace(chances=np.array([0.5, 0.0, 0.5])))
    with pytest.raises(InputError, match="chance"):
        audit(good, good, labels._replace(chances=np.array([0.5, np.nan, 0.5])))
    with pytest.raises(InputError, match="not kept"):
        audit(good, good, labels._replace(chances=np.full(3, np.nan), known=np.zeros(3, dtype=np.bool_)))
    with pytest.raises(InputError, match="differ"):
        audit(good, good, labels, bounds=Bounds(1.0, 1.0))
    with pytest.raises(InputError, match="level"):
        audit(good, good, labels, level=1.0)
