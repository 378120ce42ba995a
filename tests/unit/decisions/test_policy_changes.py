"""From one version of a policy to the next."""

from __future__ import annotations

import pytest

from dissonance.contracts.policy import Policy, WindowBy
from dissonance.decisions.policy_changes import Value, changed, differences
from dissonance.errors import PolicyInvalid


@pytest.mark.parametrize(
    ("name", "given", "read"),
    [("KL_eps", "0.05", 0.05), ("window_s", "3600", 3600), ("window_by", "rows", WindowBy.ROWS), ("KL_eps", 1, 1)],
)
def test_a_value_is_read_as_what_it_is(name: str, given: Value, read: object) -> None:
    after = changed(Policy(version=4), {name: given})

    assert getattr(after, name) == read and after.version == 5


@pytest.mark.parametrize(
    ("name", "given", "said"),
    [
        ("KL_epsilon", 0.1, "KL_eps"),
        ("version", 7, "counts up by itself"),
        ("window_s", "soon", "window_s"),
        ("window_s", 1.5, "window_s"),
        ("canary_share", "1.5", "from 0 to 1"),
        ("window_by", "moon", "window_by"),
        ("lambda_in_force", 0.2, "lambda_max"),
        ("KL_eps", "0.02", "nothing would change"),
    ],
)
def test_what_no_policy_can_hold_is_refused(name: str, given: Value, said: str) -> None:
    with pytest.raises(PolicyInvalid) as refusal:
        changed(Policy(), {name: given})
    assert said in str(refusal.value)


def test_lambda_max_below_the_weight_in_force_takes_it_down() -> None:
    after = changed(Policy(lambda_in_force=0.05), {"lambda_max": 0.01})

    assert after.lambda_in_force == 0.01


def test_differences_name_what_changed_but_not_the_version() -> None:
    after = changed(Policy(), {"KL_eps": 0.1, "window_s": 60})

    assert [each.name for each in differences(Policy(), after)] == ["KL_eps", "window_s"]
