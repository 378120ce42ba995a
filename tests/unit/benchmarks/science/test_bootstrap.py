"""The hierarchical bootstrap: what it averages, what it resamples, and what it refuses."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from science.bootstrap import hierarchical, paired, resampled


def rows_of(value: float, *, group: str = "a", case: str = "a1", seed: int = 1, method: str = "m") -> dict[str, Any]:
    return {"group": group, "case": case, "seed": seed, "window": 0, "method": method, "error": value}


def test_estimate_weighs_every_case_the_same_however_many_seeds_and_rows_it_has() -> None:
    rows = [rows_of(0.0, seed=seed) for seed in (1, 1, 2, 3)] + [rows_of(1.0, case="a2")]

    assert hierarchical(rows, "error").estimate == pytest.approx(0.5)


def test_interval_of_equal_values_is_a_point_though_groups_differ_in_size() -> None:
    rows = [
        rows_of(0.25, group=group, case=f"{group}{case}", seed=seed)
        for group, cases in (("a", 1), ("b", 4))
        for case in range(cases)
        for seed in range(1 + case)
    ]

    assert hierarchical(rows, "error", draws=200) == pytest.approx((0.25, 0.25, 0.25))


def test_interval_is_that_of_plain_bootstrap_when_only_seeds_vary() -> None:
    values = np.random.default_rng(5).normal(size=40)
    rows = [rows_of(value, seed=seed) for seed, value in enumerate(values)]

    interval = hierarchical(rows, "error", draws=20_000)

    plain = np.random.default_rng(1).choice(values, size=(20_000, 40)).mean(axis=1)
    assert interval[1:] == pytest.approx(tuple(np.quantile(plain, [0.025, 0.975])), abs=0.02)


def test_interval_is_wider_when_the_same_spread_lies_between_data_sets() -> None:
    values = np.random.default_rng(5).normal(size=16)
    seeds = [rows_of(value, seed=seed) for seed, value in enumerate(values)]
    groups = [
        rows_of(value, group=str(number // 4), case=str(number // 2), seed=number)
        for number, value in enumerate(np.sort(values))
    ]

    narrow, wide = hierarchical(seeds, "error"), hierarchical(groups, "error")

    assert wide.high - wide.low > narrow.high - narrow.low


def test_interval_covers_the_true_mean_when_data_sets_cases_and_seeds_all_vary() -> None:
    generator = np.random.default_rng(2)
    covered = 0
    for _ in range(50):
        of_group, of_case = generator.normal(size=(25, 1, 1)), generator.normal(0.0, 0.7, size=(25, 3, 1))
        values = of_group + of_case + generator.normal(0.0, 0.5, size=(25, 3, 2))
        rows = [
            rows_of(float(value), group=f"{group}", case=f"{group}-{case}", seed=seed)
            for (group, case, seed), value in np.ndenumerate(values)
        ]
        interval = hierarchical(rows, "error", draws=300)
        covered += interval.low <= 0.0 <= interval.high

    assert covered >= 44


def test_paired_difference_is_certain_where_one_method_is_better_by_the_same_everywhere() -> None:
    values = np.random.default_rng(0).normal(1.0, 0.3, size=12)
    rows = [
        rows_of(value - better, group=str(number % 3), case=str(number % 6), seed=number, method=method)
        for number, value in enumerate(values)
        for method, better in (("ours", 0.1), ("theirs", 0.0))
    ]

    both = paired(rows, "error", ("ours", "theirs"), by=["window"])

    assert both.difference(0, 1) == pytest.approx((-0.1, -0.1, -0.1))
    assert both.interval(1).high - both.interval(1).low > 0.05
    assert both.reduction(0, 1).estimate == pytest.approx(0.1 / both.point[1])


def test_paired_leaves_out_what_one_of_the_two_could_not_tell() -> None:
    rows = [rows_of(0.5, method="ours"), rows_of(0.1, method="theirs"), rows_of(9.0, seed=2, method="theirs")]
    rows.append(rows_of(float("nan"), seed=2, method="ours"))

    assert paired(rows, "error", ("ours", "theirs"), by=["window"]).point == pytest.approx([0.5, 0.1])


@pytest.mark.parametrize("rows", [[], [rows_of(float("nan"))]], ids=["none", "missing"])
def test_no_figure_without_values(rows: list[dict[str, Any]]) -> None:
    with pytest.raises(ValueError, match="no rows, or missing values"):
        hierarchical(pd.DataFrame(rows, columns=["group", "case", "seed", "error"]), "error")


@settings(max_examples=30, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from("abc"), st.integers(0, 2), st.integers(0, 2), st.floats(-1.0, 1.0)),
        min_size=1,
        max_size=30,
    )
)
def test_draws_stay_within_the_values_and_repeat_with_the_seed(drawn: list[tuple[str, int, int, float]]) -> None:
    rows = [rows_of(value, group=group, case=f"{group}{case}", seed=seed) for group, case, seed, value in drawn]
    values = [row["error"] for row in rows]

    first, again = (resampled(rows, ["error"], draws=50, seed=3).draws for _ in range(2))

    assert np.array_equal(first, again)
    assert min(values) - 1e-12 <= first.min()
    assert first.max() <= max(values) + 1e-12
