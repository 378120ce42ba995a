"""`dissonance decisions` in words; what they rest on is tested where it is decided."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from dissonance.cli import run
from dissonance.cli.decisions import decisions_table, export, show_decision, verified_words, verify_answer
from dissonance.cli.decisions_replay import replayed_answer, show_replayed
from dissonance.contracts.decision_api import DecisionReply, DecisionsReply
from dissonance.contracts.evidence import DecisionKind
from dissonance.contracts.policy import Policy
from dissonance.decisions.evidence.bundle import Bundle
from dissonance.decisions.evidence.links import Broken, Fault
from dissonance.decisions.policy_changes import with_values
from dissonance.errors import InputError, PolicyInvalid, RecordBroken, WrongType
from dissonance.pipeline.verifying import Verified, decide_again
from dissonance.ports.decisions import KeptDecision
from dissonance.ports.rollouts import PairedCounts
from dissonance.roles.gate.decisions import decision_line, decision_reply, opened
from support.evidence import KEYS, bundle_of, decision_from, judged_bundle, step_bundle
from support.judged_numbers import numbers
from support.printing import printed
from support.store import RowMaker
from support.updates import decision_of, rollout_of

TASK = RowMaker("decisions").task()


def reply_of(bundle: Bundle) -> DecisionReply:
    return decision_reply("small", KeptDecision(7, decision_from(bundle)), KEYS.verification)


def test_decisions_are_listed_with_who_and_why() -> None:
    kept = KeptDecision(7, decision_from(bundle_of(reason="[it] was right")))
    text = printed(decisions_table(DecisionsReply("small", [decision_line(kept)])))
    for piece in (
        kept.decision.decision_id[:12],
        "1970-01-01 00:00",
        "promoted",
        "2 (after 1)",
        "ann",
        "[it] was right",
    ):
        assert piece in text, piece


def test_one_judgement_is_shown_with_every_rule_and_digest() -> None:
    bundle = judged_bundle(numbers(kl=1.0), Policy(), overridden=True)
    reply = reply_of(bundle)
    text = printed(lambda console: show_decision(console, reply))
    for piece in (
        "overridden by ann",
        "signed",
        "fails  KLBound",
        "holds  NoSliceWorse",
        "9" * 64,
        "link 7; follows from",
    ):
        assert piece in text, piece


def test_one_step_is_shown_with_what_it_rests_on() -> None:
    bundle = step_bundle(rollout_of("t" * 32, 2), PairedCounts(30, 40, 0, 0), None, 0, Policy())
    assert bundle is not None
    text = printed(lambda console: show_decision(console, reply_of(bundle)))
    assert '"only_model":40' in text


def test_an_exported_decision_holds_the_text_that_was_signed(tmp_path: Path) -> None:
    reply = reply_of(bundle_of())
    export(reply, tmp_path / "decision.json")
    assert msgspec.json.decode((tmp_path / "decision.json").read_bytes(), type=DecisionReply) == reply
    with pytest.raises(InputError, match="cannot be written"):
        export(reply, tmp_path / "none" / "decision.json")


def test_a_link_that_holds_no_decision_any_more_is_told_and_not_passed_over() -> None:
    with pytest.raises(RecordBroken, match="link 7 "):
        opened(KeptDecision(7, decision_of("t" * 32, "cause")))


@pytest.mark.parametrize(
    ("broken", "pieces"),
    [
        (None, ("All holds", "9 links", "2 decisions", "3 anchors")),
        (Broken(Fault.CHAIN_CUT, 5, "the chain ends with link 4"), ("Broken (chain cut)", "ends with link 4")),
        (Broken(Fault.ANCHOR_CHANGED, 0, "anchor 2 was changed"), ("Broken (anchor changed)", "anchor 2")),
    ],
)
def test_what_holds_and_what_does_not_is_told(broken: Broken | None, pieces: tuple[str, ...]) -> None:
    answer = verify_answer(Verified(TASK, 9, 2, 3, broken))
    assert answer.holds is (broken is None)
    assert answer.link == (broken.link or None if broken is not None else None)
    text = printed(verified_words(answer))
    for piece in pieces:
        assert piece in text, piece


def test_was_and_would_be_are_told_with_the_rules_that_differ() -> None:
    values: dict[str, float | int | str] = {"KL_eps": "0.5"}
    bundles = [judged_bundle(numbers(kl=0.1), Policy()), bundle_of(DecisionKind.ROLLED_BACK)]
    again = [
        decide_again(
            KeptDecision(link, decision_from(bundle)), KEYS.verification, lambda policy: with_values(policy, values)
        )
        for link, bundle in enumerate(bundles)
    ]
    answer = replayed_answer(TASK, again, values)
    assert (answer.differing, [line.now for line in answer.decisions]) == (1, ["accepted", "rolled_back"])
    text = printed(lambda console: show_replayed(console, answer))
    for piece in ("KL_eps=0.5", "refused", "accepted", "KLBound", "rolled back (by hand)", "1 would have been decided"):
        assert piece in text, piece
    assert text.count("rolled back (by hand)") == 2
    one = printed(lambda console: show_replayed(console, replayed_answer(TASK, again[:1], {})))
    assert "1 decision on" in one
    assert "1 does not come out as recorded." in one
    same = replayed_answer(TASK, [], {})
    assert "0 do not come out as recorded" in printed(lambda console: show_replayed(console, same))


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["list", "small", "--kind", "promotion"], InputError.exit_code),
        (["list", "small", "--from", "yesterday"], WrongType.exit_code),
        (["replay", "small", "--policy", "none.json"], PolicyInvalid.exit_code),
        (["list", "small", "--limit", "0"], 2),
    ],
)
def test_what_makes_no_sense_is_refused_before_anything_is_read(
    arguments: list[str], code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["decisions", *arguments, "--json"]) == code
    assert '"error"' in capsys.readouterr().out


def test_a_policy_with_a_misspelt_value_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "policy.json").write_text('{"KL_epsilon": 0.5}')
    arguments = ["decisions", "replay", "small", "--policy", str(tmp_path / "policy.json"), "--json"]
    assert run(arguments) == PolicyInvalid.exit_code
    assert "KL_eps" in capsys.readouterr().out
