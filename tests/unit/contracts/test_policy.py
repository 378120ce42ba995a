"""A policy refuses limits that could never bind or make no sense, and its digest tells policies apart."""

from __future__ import annotations

import math
from enum import StrEnum

import msgspec
import pytest

from dissonance.contracts.policy import WHOLE, Policy, policy_digest
from dissonance.errors import PolicyInvalid


@pytest.mark.parametrize("name", ["D_target", "max_dissonance", "golden_drop_max", "harm_margin", "lambda_max"])
@pytest.mark.parametrize("value", [-0.001, 1.001, math.nan, math.inf])
def test_a_share_outside_0_to_1_is_refused_by_name(name: str, value: float) -> None:
    with pytest.raises(PolicyInvalid) as raised:
        Policy(**{name: value})
    assert raised.value.where == f"policy.{name}"


@pytest.mark.parametrize("value", [-1e-9, math.nan, math.inf])
def test_a_divergence_that_is_no_number_of_nats_is_refused(value: float) -> None:
    with pytest.raises(PolicyInvalid, match="KL_eps"):
        Policy(KL_eps=value)


@pytest.mark.parametrize("name", ["version", "window_rows", "window_s", "retention_days", "max_rows_per_request"])
def test_a_count_below_1_is_refused_by_name(name: str) -> None:
    with pytest.raises(PolicyInvalid) as raised:
        Policy(**{name: 0})
    assert raised.value.where == f"policy.{name}"


@pytest.mark.parametrize("name", ["d_budget_per_hour", "rollback_window_s", "window_watermark_s"])
def test_zero_is_a_limit_and_less_is_not(name: str) -> None:
    assert getattr(Policy(**{name: 0}), name) == 0
    with pytest.raises(PolicyInvalid):
        Policy(**{name: -1})


@pytest.mark.parametrize(("name", "highest"), [(name, highest) for name, (_, highest) in WHOLE.items()])
def test_a_number_too_large_to_be_stored_is_refused_by_name(name: str, highest: int) -> None:
    assert getattr(Policy(**{name: highest}), name) == highest
    with pytest.raises(PolicyInvalid) as raised:
        Policy(**{name: highest + 1})
    assert raised.value.where == f"policy.{name}"


def test_the_bounds_themselves_are_allowed() -> None:
    assert Policy(D_target=0.0, max_dissonance=1.0, KL_eps=0.0).max_dissonance == 1.0


@pytest.mark.parametrize("name", [field for field in Policy.__struct_fields__ if field not in ("version",)])
def test_the_digest_changes_with_every_limit(name: str) -> None:
    value = getattr(Policy(), name)
    other: object = value / 2 + 0.001 if isinstance(value, float) else None
    if isinstance(value, StrEnum):
        other = next(each for each in type(value) if each is not value)
    elif other is None:
        other = value + ("sex" if isinstance(value, str) else 1)
    changed = msgspec.structs.replace(Policy(), **{name: other})
    assert policy_digest(changed) != policy_digest(Policy())
    assert policy_digest(Policy(**{name: value})) == policy_digest(Policy())


def test_an_unknown_limit_in_a_file_is_refused() -> None:
    with pytest.raises(msgspec.ValidationError, match="max_dissonanse"):
        msgspec.json.decode(b'{"max_dissonanse": 0.5}', type=Policy)
