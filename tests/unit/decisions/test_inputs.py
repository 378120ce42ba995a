from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from dissonance.contracts.policy import Policy
from dissonance.contracts.times import HOUR_US
from dissonance.contracts.verdicts import Reason, Verdict
from dissonance.decisions.inputs import InputRows, counted_before, hours_of, judge_inputs, verdict_of

POLICY = Policy(D_target=0.1, max_dissonance=0.4, d_budget_per_hour=2)


def rows(
    dissonances: list[float],
    *,
    erased: Sequence[int] = (),
    misfit: Sequence[int] = (),
    outside: Sequence[int] = (),
    far_outside: Sequence[int] = (),
    doubted: Sequence[int] = (),
    before: list[int] | None = None,
    times_us: list[int] | None = None,
) -> InputRows:
    n = len(dissonances)
    at = np.arange(n)
    return InputRows(
        dissonances=np.array(dissonances),
        erased=np.isin(at, list(erased)),
        fits_schema=~np.isin(at, list(misfit)),
        doubts=np.where(np.isin(at, list(doubted)), 0.99, 0.2),
        widths_outside=np.where(np.isin(at, list(far_outside)), 2.5, np.where(np.isin(at, list(outside)), 0.5, 0.0)),
        rows_before=np.array(before if before is not None else [0] * n, dtype=np.int64),
        event_times_us=np.array(times_us if times_us is not None else [0] * n, dtype=np.int64),
    )


def reasons(given_rows: InputRows, policy: Policy = POLICY, spent: dict[int, int] | None = None) -> list[Reason]:
    return judge_inputs(given_rows, policy, spent or {})[1]


def test_gate_admits_a_row_on_which_both_agree() -> None:
    assert judge_inputs(rows([0.05]), POLICY, {}) == ([Verdict.ADMITTED], [Reason.AGREED])


def test_gate_admits_a_row_exactly_at_the_target_and_at_the_limit() -> None:
    assert reasons(rows([0.1, 0.4])) == [Reason.AGREED, Reason.WITHIN_BUDGET]


def test_gate_blocks_a_row_above_the_dissonance_limit() -> None:
    assert judge_inputs(rows([0.41]), POLICY, {}) == ([Verdict.BLOCKED], [Reason.DISSONANCE])


def test_gate_blocks_dissonant_rows_once_the_budget_of_their_hour_is_spent() -> None:
    assert reasons(rows([0.2, 0.2, 0.2])) == [Reason.WITHIN_BUDGET, Reason.WITHIN_BUDGET, Reason.BUDGET]


def test_budget_counts_what_was_spent_in_the_hour_before() -> None:
    assert reasons(rows([0.2, 0.2]), spent={0: 1}) == [Reason.WITHIN_BUDGET, Reason.BUDGET]


def test_budget_is_per_hour_of_event_time() -> None:
    times = [0, 0, 0, HOUR_US, -1]
    expected = [Reason.WITHIN_BUDGET, Reason.WITHIN_BUDGET, Reason.BUDGET, Reason.WITHIN_BUDGET, Reason.WITHIN_BUDGET]
    assert reasons(rows([0.2] * 5, times_us=times)) == expected


def test_rows_in_agreement_spend_no_budget() -> None:
    assert reasons(rows([0.05, 0.05, 0.05, 0.2])).count(Reason.BUDGET) == 0


def test_blocked_rows_spend_no_budget() -> None:
    assert reasons(rows([0.2, 0.2, 0.2], outside=[0])) == [Reason.RANGE, Reason.WITHIN_BUDGET, Reason.WITHIN_BUDGET]


def test_a_budget_of_zero_admits_only_agreement() -> None:
    policy = Policy(D_target=0.1, max_dissonance=0.4, d_budget_per_hour=0)
    assert reasons(rows([0.05, 0.2]), policy) == [Reason.AGREED, Reason.BUDGET]


def test_first_rule_that_blocks_gives_the_reason() -> None:
    given_rows = rows(
        [0.9, 0.9, 0.9, 0.9, 0.9, 0.9, 0.2],
        erased=[0],
        misfit=[0, 1],
        far_outside=[0, 1, 2],
        outside=[0, 1, 3],
        before=[1000, 1000, 1000, 1000, 1000, 0, 0],
        doubted=range(7),
    )
    assert reasons(given_rows) == [
        Reason.ERASED,
        Reason.SCHEMA,
        Reason.OUTLIER,
        Reason.RANGE,
        Reason.BURST,
        Reason.DISSONANCE,
        Reason.DOUBT,
    ]


def test_a_number_far_outside_the_reference_is_suspected_poison_and_a_near_one_is_out_of_range() -> None:
    assert reasons(rows([0.0, 0.0], far_outside=[0], outside=[1])) == [Reason.OUTLIER, Reason.RANGE]


def test_rows_of_one_source_are_a_burst_once_their_hour_is_full() -> None:
    limit = POLICY.source_rows_per_hour
    assert reasons(rows([0.0, 0.0], before=[limit - 1, limit])) == [Reason.AGREED, Reason.BURST]


def test_gate_blocks_an_answer_that_the_critic_is_nearly_sure_is_wrong() -> None:
    assert reasons(rows([0.0, 0.0], doubted=[1])) == [Reason.AGREED, Reason.DOUBT]


def test_rows_of_a_source_are_counted_from_those_stored_and_those_before_them() -> None:
    stored = {(b"a", 1): 7}
    assert counted_before([b"a", b"b", b"a", b"a"], [1, 1, 1, 2], stored) == [7, 0, 8, 0]
    assert stored == {(b"a", 1): 7}


def test_hours_before_1970_round_down() -> None:
    assert hours_of([-1, 0, HOUR_US - 1, HOUR_US]) == [-1, 0, 0, 1]


@given(st.lists(st.floats(0, 1), max_size=40), st.integers(0, 5))
def test_budget_is_never_overspent_and_every_row_gets_a_verdict(dissonances: list[float], budget: int) -> None:
    policy = Policy(D_target=0.1, max_dissonance=0.4, d_budget_per_hour=budget)
    verdicts, why = judge_inputs(rows(dissonances), policy, {})
    assert len(verdicts) == len(why) == len(dissonances)
    assert why.count(Reason.WITHIN_BUDGET) <= budget
    assert verdicts == [verdict_of(reason) for reason in why]


@given(st.lists(st.floats(0, 1), max_size=20), st.integers(0, 20))
def test_judging_in_two_batches_gives_the_verdicts_of_one(dissonances: list[float], cut: int) -> None:
    whole = reasons(rows(dissonances))
    head, tail = dissonances[:cut], dissonances[cut:]
    first = reasons(rows(head))
    second = reasons(rows(tail), spent={0: first.count(Reason.WITHIN_BUDGET)})
    assert first + second == whole
