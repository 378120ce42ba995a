"""A canary is judged by what its labels stand for, not by how many of a kind were asked for."""

from __future__ import annotations

from dissonance.contracts.policy import Policy
from dissonance.contracts.updates import RolloutPhase
from dissonance.decisions.paired import difference, interval, score, surely_better, surely_worse
from dissonance.decisions.rollouts import next_step
from dissonance.ports.rollouts import PairedCounts, PairsOfChance, weighed_counts
from support.updates import rollout_of

OFTEN, SELDOM = PairsOfChance(0, 50, 90, 10, 50), PairsOfChance(-56, 100, 2, 40, 58)
"""Asked about surely, where the new model is better; and about one in 128, where it is worse."""


def unweighed(paired: PairedCounts) -> PairedCounts:
    return PairedCounts(paired.both_right, paired.only_model, paired.only_shadow, paired.neither)


def test_labels_are_counted_as_they_come_where_all_had_one_chance_or_nobody_asked() -> None:
    for groups in ([], [OFTEN], [OFTEN._replace(step=None)], [SELDOM, SELDOM._replace(step=None)]):
        assert weighed_counts(groups).weighed == ()
    assert weighed_counts([]) == PairedCounts(0, 0, 0, 0)


def test_what_nobody_asked_for_weighs_as_what_was_asked_for_least() -> None:
    found = weighed_counts([OFTEN, SELDOM, SELDOM._replace(step=None)])
    assert [(each.weight, each.gained, each.lost, each.same) for each in found.weighed] == [
        (2.0**-7, 90, 10, 100),
        (1.0, 4, 80, 316),
    ]
    assert (found.rows, found.only_model) == (600, 94)


def test_a_model_that_is_better_only_where_people_were_asked_often_is_not_promoted() -> None:
    paired = weighed_counts([OFTEN, SELDOM])
    rollout = rollout_of("a" * 32, 2)
    as_they_come, weighed = (next_step(rollout, each, None, 0, Policy()) for each in (unweighed(paired), paired))
    assert as_they_come is not None and as_they_come.phase is RolloutPhase.ARMED
    assert weighed is not None and weighed.phase is RolloutPhase.ABANDONED
    assert "weighed by how likely each was asked about" in weighed.reason


def test_every_question_is_answered_by_the_weighed_pairs() -> None:
    paired = weighed_counts([OFTEN, SELDOM])
    assert difference(paired) < -0.15 < 0.0 < difference(unweighed(paired))
    assert surely_worse(paired) and not surely_better(paired, -0.015)
    assert surely_better(unweighed(paired), -0.015) and not surely_worse(unweighed(paired))
    assert score(paired, 0.015) < 0.0 < score(unweighed(paired), 0.015)
    assert interval(paired).high < 0.0 < interval(unweighed(paired)).low


def test_a_promotion_that_loses_where_few_were_asked_is_taken_back() -> None:
    armed = rollout_of("a" * 32, 2, RolloutPhase.ARMED)
    step = next_step(armed, weighed_counts([OFTEN, SELDOM]), None, 0, Policy())
    assert step is not None and step.phase is RolloutPhase.ROLLED_BACK
