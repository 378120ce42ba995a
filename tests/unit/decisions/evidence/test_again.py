"""A decision comes out of its bundle again to the byte; another policy tells what it would have decided."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from dissonance.contracts.evidence import DecisionKind, canonical
from dissonance.contracts.policy import Policy
from dissonance.contracts.standings import Behaviour
from dissonance.contracts.updates import LIVE_PHASES, RolloutPhase
from dissonance.decisions.evidence.again import compared
from dissonance.decisions.evidence.bundle import Bundle, read_bundle
from dissonance.decisions.rollouts import SIDE_NAMED, Behaved, Believed
from dissonance.decisions.updates.numbers import REFERENCE_INPUTS, WINDOW_INPUTS, Change, SliceChange, UpdateNumbers
from dissonance.errors import RecordBroken
from dissonance.ports.rollouts import PairedCounts
from support.evidence import begun_bundle, bundle_of, judged_bundle, step_bundle
from support.judged_numbers import change, numbers
from support.updates import rollout_of

SHARE = st.floats(0.0, 1.0)
COUNT = st.integers(0, 500)
HOUR_US = 3_600_000_000


@st.composite
def changes(draw: st.DrawFn) -> Change:
    rows = draw(st.integers(0, 2_000))
    lost, gained = draw(st.integers(0, rows // 2)), draw(st.integers(0, rows // 2))
    right = draw(st.integers(lost, rows - gained))
    return Change(rows, right, right + gained - lost, gained, lost)


NUMBERS = st.builds(
    UpdateNumbers,
    golden=changes(),
    holdout_uses=st.integers(0, 100),
    incumbent_calibration_error=SHARE,
    candidate_calibration_error=SHARE,
    kl=st.floats(0.0, allow_nan=False),
    kl_error=st.floats(0.0, 10.0),
    window_rows=COUNT,
    slices=st.lists(st.builds(SliceChange, st.text(), st.text(), changes()), max_size=3).map(tuple),
    held_out_rise=st.floats(-10.0, 10.0),
    held_out_error=SHARE,
    held_out_rows=COUNT,
    kl_inputs=st.sampled_from(["", WINDOW_INPUTS, REFERENCE_INPUTS]),
)
POLICIES = st.builds(
    Policy,
    golden_drop_max=SHARE,
    slice_drop_max=SHARE,
    calibration_rise_max=SHARE,
    KL_eps=SHARE,
    harm_margin=SHARE,
    canary_share=SHARE,
    canary_labels_min=st.integers(2, 200),
    canary_max_s=st.integers(1, 10_000),
    rollback_window_s=st.integers(0, 10_000),
    cooling_off_s=st.integers(0, 10_000),
    shadow_rows=st.integers(0, 300),
)
BEHAVIOUR = st.integers(1, 1_000).flatmap(
    lambda calls: st.builds(
        Behaviour,
        st.just(calls),
        st.integers(0, calls),
        st.floats(0.0, 10.0 * calls),
        st.floats(0.0, 100.0 * calls),
    )
)
BEHAVED = st.none() | st.builds(Behaved, BEHAVIOUR, BEHAVIOUR)
BELIEVED = st.none() | st.builds(Believed, COUNT, st.floats(-1.0, 1.0), SHARE, st.floats(0.0, 0.1))


def comes_out_again(bundle: Bundle) -> bool:
    """From its bytes alone, and those bytes are what its content is encoded to."""
    body = canonical(bundle)
    read = read_bundle(body)
    return canonical(read) == body and compared(read).is_same


@given(NUMBERS, POLICIES, st.booleans())
def test_a_judgement_comes_out_of_its_bytes_to_the_byte(found: UpdateNumbers, policy: Policy, overridden: bool) -> None:
    assert comes_out_again(judged_bundle(found, policy, overridden=overridden))


@given(
    st.sampled_from(sorted(LIVE_PHASES)),
    st.sampled_from([0.0, 0.5]),
    st.builds(PairedCounts, COUNT, COUNT, COUNT, COUNT),
    BELIEVED,
    BEHAVED,
    COUNT,
    POLICIES,
    st.sampled_from([1, SIDE_NAMED]),
)
def test_a_step_of_a_rollout_comes_out_of_its_bytes_to_the_byte(
    phase: RolloutPhase,
    share: float,
    paired: PairedCounts,
    believed: Believed | None,
    behaved: Behaved | None,
    minutes: int,
    policy: Policy,
    form: int,
) -> None:
    rollout = rollout_of("t" * 32, 2, phase, share=share)
    bundle = step_bundle(rollout, paired, believed, minutes * 60_000_000, policy, behaved, form)
    assert bundle is None or comes_out_again(bundle)


def test_the_last_look_of_an_earlier_release_comes_out_in_its_own_words() -> None:
    over, seen = rollout_of("t" * 32, 2), PairedCounts(50, 5, 5, 0)
    for form, words in ((1, "standard errors from being worse by"), (SIDE_NAMED, "standard errors above")):
        bundle = step_bundle(over, seen, None, 10**15, Policy(), form=form)
        assert bundle is not None and words in bundle.reason
        assert comes_out_again(bundle)


def test_a_candidate_that_leaves_the_shadow_answers_the_share_that_the_policy_says() -> None:
    policy = Policy(shadow_rows=100, canary_share=0.25)
    begun = begun_bundle(None, policy, RolloutPhase.CANARY)
    assert comes_out_again(begun)
    assert compared(begun, Policy(canary_share=0.25)).now.share == 0.25
    rollout = rollout_of("t" * 32, 2, share=0.0)
    left = step_bundle(rollout, PairedCounts(0, 0, 0, 0), Believed(100, 0.0, 0.01), 0, policy)
    assert left is not None
    assert (left.kind, left.share) == (DecisionKind.CANARY, 0.25)
    assert comes_out_again(left)
    assert compared(left, Policy(shadow_rows=100, canary_share=0.5)).now.share == 0.5


@pytest.mark.parametrize("at_once", [False, True])
def test_a_beginning_comes_out_of_its_bytes_and_without_a_share_there_is_no_canary(at_once: bool) -> None:
    phase = RolloutPhase.ARMED if at_once else RolloutPhase.CANARY
    bundle = begun_bundle(rollout_of("t" * 32, 3, RolloutPhase.SETTLED), Policy(), phase, at_once=at_once)
    assert comes_out_again(bundle)
    now = compared(bundle, Policy(canary_share=0.0)).now
    assert now.kind is DecisionKind.PROMOTED


def test_a_longer_cooling_off_would_have_held_a_rollout_back() -> None:
    back = rollout_of("t" * 32, 2, RolloutPhase.ROLLED_BACK, phase_at_us=-HOUR_US)
    bundle = begun_bundle(back, Policy(cooling_off_s=60), RolloutPhase.CANARY)
    assert compared(bundle).is_same
    later = compared(bundle, Policy(cooling_off_s=7_200))
    assert later.now.kind is None
    assert later.is_decided_otherwise


def test_another_policy_says_which_rules_differ_and_what_it_would_have_decided() -> None:
    bundle = judged_bundle(numbers(golden=change(drop=100), kl=0.03), Policy(KL_eps=0.05))
    assert bundle.kind is DecisionKind.ACCEPTED
    stricter = compared(bundle, Policy(golden_drop_max=0.001, KL_eps=0.02))
    assert stricter.now.kind is DecisionKind.REFUSED
    assert stricter.rules == ("GoldenNonInferiority", "KLBound")
    assert stricter.is_decided_otherwise


def test_what_a_person_overrode_stays_overridden_unless_the_gate_lets_it_through() -> None:
    bundle = judged_bundle(numbers(kl=1.0), Policy(), overridden=True)
    assert bundle.kind is DecisionKind.OVERRIDDEN
    assert compared(bundle).is_same
    assert compared(bundle, Policy(KL_eps=2.0)).now.kind is DecisionKind.ACCEPTED


def test_another_policy_would_have_waited_with_a_step() -> None:
    bundle = step_bundle(rollout_of("t" * 32, 2), PairedCounts(30, 40, 0, 0), None, 0, Policy(canary_labels_min=50))
    assert bundle is not None
    assert bundle.kind is DecisionKind.PROMOTED
    assert compared(bundle, Policy(canary_labels_min=100)).now.kind is None


def test_a_rule_that_came_later_says_nothing_of_what_was_judged_before_it() -> None:
    bundle = judged_bundle(numbers(), Policy())
    assert bundle.judgement is not None
    fewer = replace(bundle.judgement, findings=bundle.judgement.findings[:2])
    earlier = replace(bundle, judgement=fewer)
    assert comes_out_again(earlier)
    assert len(compared(earlier).now.findings) == 2


def test_numbers_that_say_otherwise_than_the_verdict_are_found() -> None:
    bundle = judged_bundle(numbers(), Policy())
    assert bundle.judgement is not None
    changed = replace(bundle, judgement=replace(bundle.judgement, numbers=numbers(kl=1.0)))
    again = compared(changed)
    assert not again.is_same
    assert again.rules == ("KLBound",)


def test_what_a_person_decided_nobody_computes() -> None:
    again = compared(bundle_of(DecisionKind.ROLLED_BACK), Policy(KL_eps=0.5))
    assert again.is_same
    assert not again.computed


def test_a_field_that_an_older_bundle_has_not_gets_its_default_and_the_bytes_stay() -> None:
    body = canonical(judged_bundle(numbers(), Policy()))
    older = body.replace(b'"held_out_error":0.0,"held_out_rise":0.0,"held_out_rows":0,', b"")
    assert older != body
    assert compared(read_bundle(older)).is_same


def test_a_judgement_made_before_its_inputs_were_named_comes_out_to_the_byte() -> None:
    """Written by the release before that field."""
    body = (Path(__file__).parent / "judged_before_its_inputs_were_named.json").read_bytes()
    assert b"kl_inputs" not in body
    bundle = read_bundle(body)
    assert compared(bundle).is_same
    assert "inputs of the last window" in compared(bundle).now.findings[1].what


@pytest.mark.parametrize("body", [b"{}", b"no JSON", b"\xff", canonical(bundle_of(form=2))])
def test_a_body_that_is_no_bundle_of_this_form_is_refused(body: bytes) -> None:
    with pytest.raises(RecordBroken):
        read_bundle(body)
