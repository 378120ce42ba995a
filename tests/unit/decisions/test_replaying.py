"""Replay: the same policy gives the recorded verdicts, whatever came in whatever batches; another one tells."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dissonance.contracts.policy import Policy
from dissonance.contracts.times import HOUR_US
from dissonance.contracts.verdicts import Reason, UpdateVerdict
from dissonance.decisions.inputs import InputRows, hours_of, judge_inputs
from dissonance.decisions.replaying import Range, Replay, Replayed, read_link
from dissonance.decisions.updates.numbers import Change, UpdateNumbers
from dissonance.decisions.updates.verdict import judge_update

POLICY = Policy(D_target=0.1, max_dissonance=0.6, d_budget_per_hour=2, max_doubt=0.9)
ALL = Range(-(2**60), 2**60)

Row = tuple[float, float, int]
"""Dissonance, confidence, hour."""


def recorded(batches: list[list[Row]], policy: Policy = POLICY) -> list[bytes]:
    """Links as the gate writes them, one a batch."""
    spent: dict[int, int] = {}
    links = []
    for number, batch in enumerate(batches):
        times_us = [hour * HOUR_US for _, _, hour in batch]
        rows = InputRows(
            dissonances=np.array([d for d, _, _ in batch]),
            doubts=1.0 - np.array([c for _, c, _ in batch]),
            erased=np.zeros(len(batch), dtype=np.bool_),
            fits_schema=np.ones(len(batch), dtype=np.bool_),
            widths_outside=np.zeros(len(batch)),
            rows_before=np.zeros(len(batch), dtype=np.int64),
            event_times_us=np.array(times_us, dtype=np.int64),
        )
        hours = hours_of(times_us)
        before = {hour: spent.get(hour, 0) for hour in hours}
        verdicts, reasons = judge_inputs(rows, policy, before)
        for hour, reason in zip(hours, reasons, strict=True):
            spent[hour] = spent.get(hour, 0) + (reason is Reason.WITHIN_BUDGET)
        link = {
            "kind": "inputs",
            "policy": policy,
            "prediction_ids": [bytes([number, position]) for position in range(len(batch))],
            "event_times_us": times_us,
            "confidences": [c for _, c, _ in batch],
            "dissonances": [d for d, _, _ in batch],
            "erased": rows.erased.tolist(),
            "fits_schema": rows.fits_schema.tolist(),
            "widths_outside": rows.widths_outside.tolist(),
            "rows_before": rows.rows_before.tolist(),
            "spent": before,
            "verdicts": verdicts,
            "reasons": reasons,
        }
        links.append(msgspec.msgpack.encode(link))
    return links


def update_link(policy: Policy, verdict: UpdateVerdict | None = None, drop: int = 0) -> bytes:
    change = Change(1000, 800, 800 - drop, 10, 10 + drop)
    numbers = UpdateNumbers(
        golden=change,
        holdout_uses=0,
        incumbent_calibration_error=0.02,
        candidate_calibration_error=0.02,
        kl=0.01,
        kl_error=0.0,
        window_rows=500,
        slices=(),
    )
    said, findings = judge_update(numbers, policy)
    link = {
        "kind": "update",
        "policy": policy,
        "numbers": numbers,
        "version": 2,
        "verdict": verdict or said,
        "findings": findings,
    }
    return msgspec.msgpack.encode(link)


def replayed(links: list[bytes], inside: Range = ALL, **values: Any) -> Replayed:
    replay = Replay(inside, lambda policy: msgspec.structs.replace(policy, **values))
    for link in links:
        replay.add(link)
    return replay.result()


ROWS = st.tuples(st.floats(0, 1), st.floats(0, 1), st.integers(-2, 2))
BATCHES = st.lists(st.lists(ROWS, min_size=1, max_size=8), max_size=6)


@given(BATCHES, st.integers(0, 3))
def test_replay_under_the_same_policy_gives_the_recorded_verdicts(batches: list[list[Row]], budget: int) -> None:
    policy = msgspec.structs.replace(POLICY, d_budget_per_hour=budget)
    result = replayed(recorded(batches, policy))
    assert result.differing == 0
    assert result.rows == sum(map(len, batches))
    assert result.examples == []


@given(BATCHES, st.integers(0, 5), st.integers(0, 5))
def test_replay_under_another_budget_gives_what_that_budget_would_have_given(
    batches: list[list[Row]], budget: int, other: int
) -> None:
    links = recorded(batches, msgspec.structs.replace(POLICY, d_budget_per_hour=budget))
    expected = recorded(batches, msgspec.structs.replace(POLICY, d_budget_per_hour=other))
    want = [reason for link in expected for reason in _reasons(link)]
    got = replayed(links, d_budget_per_hour=other).transitions
    assert sum(got.values()) == len(want)
    assert {reason: sum(n for (_, new), n in got.items() if new is reason) for reason in Reason} == {
        reason: want.count(reason) for reason in Reason
    }


def _reasons(link: bytes) -> list[Reason]:
    read = read_link(link)
    assert read is not None
    return list(read.reasons)  # type: ignore[union-attr]  # links of inputs only


def test_rows_that_another_policy_would_have_blocked_are_counted_and_the_first_are_named() -> None:
    links = recorded([[(0.05, 0.95, 0), (0.05, 0.3, 0)], [(0.05, 0.2, 1)]])
    result = replayed(links, max_doubt=0.5)
    assert result.transitions == {(Reason.AGREED, Reason.AGREED): 1, (Reason.AGREED, Reason.DOUBT): 2}
    assert [example.prediction_id for example in result.examples] == [bytes([0, 1]), bytes([1, 0])]
    assert result.differing == 2


def test_only_rows_inside_count_but_those_before_them_have_spent_their_budget() -> None:
    batches = [[(0.2, 0.9, 0), (0.2, 0.9, 0)], [(0.2, 0.9, 0), (0.2, 0.9, 1)]]
    result = replayed(recorded(batches), Range(HOUR_US, 2 * HOUR_US))
    assert (result.rows, result.differing) == (1, 0)
    late = recorded(batches)[1:]
    assert replayed(late).differing == 0, "what was spent before the first link is taken over"


def test_links_of_an_older_form_are_counted_and_what_they_spent_is_taken_from_the_next() -> None:
    links = recorded([[(0.2, 0.9, 0)], [(0.2, 0.9, 0)], [(0.2, 0.9, 0)]])
    old = msgspec.msgpack.decode(links[1])
    del old["widths_outside"]
    result = replayed([links[0], msgspec.msgpack.encode(old), links[2]])
    assert (result.rows, result.unreadable, result.differing) == (2, 1, 0)
    assert read_link(b"\xc1") is None
    assert read_link(msgspec.msgpack.encode({"kind": "new"})) is None


def test_update_is_judged_again_and_another_limit_tells_which_rule_turns() -> None:
    link = update_link(Policy(golden_drop_max=0.015), drop=5)
    (same,) = replayed([link]).updates
    assert same.recorded is same.replayed is UpdateVerdict.ACCEPTED
    result = replayed([link], golden_drop_max=0.001)
    (update,) = result.updates
    assert (update.replayed, update.changed_rules) == (UpdateVerdict.REFUSED, ("GoldenNonInferiority",))
    assert result.differing == 1


def test_an_override_is_no_verdict_of_the_gate() -> None:
    (update,) = replayed([update_link(Policy(), UpdateVerdict.OVERRIDDEN, drop=300)]).updates
    assert update.recorded is update.replayed is UpdateVerdict.REFUSED


@pytest.mark.parametrize("links", [[], recorded([[(0.05, 0.9, 0)]])])
def test_policy_versions_that_verdicts_rested_on_are_told(links: list[bytes]) -> None:
    assert replayed(links).policy_versions == ([1] if links else [])
