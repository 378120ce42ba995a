"""Every decision on a model is a signed link of the chain, anchored; it comes out again, and tampering is found."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from msgspec.structs import replace

from dissonance.contracts.evidence import DecisionKind
from dissonance.contracts.updates import RolloutPhase
from dissonance.contracts.verdicts import UpdateVerdict
from dissonance.decisions.evidence.bundle import Bundle
from dissonance.decisions.evidence.links import Fault
from dissonance.decisions.models import TEXT_FILE
from dissonance.decisions.policy_changes import with_values
from dissonance.errors import ModelNotFound, SealBroken
from dissonance.pipeline.anchoring import ChainAnchoring, anchor
from dissonance.pipeline.model_diff import diff
from dissonance.pipeline.taking_back import rollback
from dissonance.pipeline.verifying import proven_bundle, replay_decisions, verify_decisions
from dissonance.ports.decisions import KeptDecision
from dissonance.ports.registry import ModelRole
from dissonance.ports.rollouts import Rollout
from dissonance.ports.store import Split
from dissonance.security.evidence import line_digest, open_bundle, read_anchor
from support.decided import NAME, WHAT_HAPPENED, Decided, decided_task
from support.workshop import small_task


@pytest.fixture(scope="module")
def told() -> Decided:
    """Nobody changes it: who tampers makes a copy."""
    return decided_task()


def kept(told: Decided) -> list[KeptDecision]:
    """In the order of the chain."""
    return asyncio.run(told.work.store.decisions(told.task.task_id))[::-1]


def bundles(told: Decided) -> list[Bundle]:
    return [proven_bundle(each, told.work.artefact_keys.verification) for each in kept(told)]


def test_each_decision_is_a_link_with_its_kind_and_whoever_decided(told: Decided) -> None:
    assert [each.kind.value for each in bundles(told)] == WHAT_HAPPENED
    assert [each.link for each in kept(told)] == list(range(1, len(WHAT_HAPPENED) + 1))
    people = ["task create", "gate", "gate", "gate", "gate", "ann", "ann", "ann", "bob", "bob"]
    assert [each.by for each in bundles(told)] == people
    assert [each.production for each in bundles(told)] == [1, 1, 1, 2, 1, 1, 1, 2, 1, 2]
    assert bundles(told)[6].reason == "it is needed"


def test_each_decision_names_the_one_it_follows_from(told: Decided) -> None:
    ids = [each.decision.decision_id for each in kept(told)]
    parents = [ids.index(each.parent) if each.parent else None for each in bundles(told)]
    assert parents == [None, 0, 1, 2, 3, 4, 4, 6, 7, 8]


def test_a_judgement_holds_digests_policy_and_every_rules_numbers(told: Decided) -> None:
    judged = bundles(told)[1]
    assert judged.judgement is not None
    assert judged.judgement.numbers.golden.rows > 0
    assert {"golden_rows", "window", "schema"} <= judged.digests.keys()
    assert TEXT_FILE in judged.candidate.files
    assert len(judged.candidate.training_data_digest) == len(judged.candidate.critic_digest) == 64
    assert judged.candidate.digest == told.work.registry.versions(told.task.task_id, ModelRole.PROPOSER)[0].digest
    assert judged.policy.canary_share == 0.5
    overridden = bundles(told)[6]
    assert overridden.judgement is not None
    assert overridden.judgement.verdict == "refused"


def test_each_decision_is_anchored_at_once_and_the_next_one_says_so(told: Decided) -> None:
    lines = told.work.anchors.lines(told.task.task_id)
    anchors = [read_anchor(line, told.work.artefact_keys.verification) for line in lines]
    assert [each.link for each in anchors if each] == list(range(1, len(WHAT_HAPPENED) + 1))
    assert [each.anchor for each in bundles(told)] == [line_digest(line) for line in [None, *lines[:-1]]]


def test_all_of_it_holds_and_comes_out_again_to_the_byte(told: Decided) -> None:
    verified = asyncio.run(verify_decisions(told.work, NAME))
    assert verified.broken is None
    assert (verified.links, verified.decisions, verified.anchors) == (10, 10, 10)
    _, again = asyncio.run(replay_decisions(told.work, NAME, lambda policy: policy))
    assert len(again) == len(WHAT_HAPPENED)
    assert all(each.compared.is_same for each in again)
    assert [each.bundle.kind.value for each in again if not each.compared.computed] == [
        "rolled_back",
        "rolled_back",
        "promoted",
    ]


def test_another_policy_tells_what_it_would_have_decided(told: Decided) -> None:
    _, again = asyncio.run(replay_decisions(told.work, NAME, lambda policy: with_values(policy, {"KL_eps": 5.0})))
    differing = {each.link: each.compared.now.kind for each in again if each.compared.is_decided_otherwise}
    assert differing == {6: DecisionKind.ACCEPTED, 7: DecisionKind.ACCEPTED}
    assert all(each.compared.rules == ("KLBound",) for each in again if each.link in (6, 7))
    _, waiting = asyncio.run(
        replay_decisions(told.work, NAME, lambda policy: with_values(policy, {"canary_labels_min": 1_000}))
    )
    assert {each.link: each.compared.now.kind for each in waiting if each.compared.is_decided_otherwise} == {4: None}


def test_golden_rows_that_were_replaced_behind_the_port_are_found(told: Decided) -> None:
    copy = told.copied()
    reference = copy.work.store.rows_of(told.task.task_id).reference
    number = next(number for number, row in reference.items() if row[0] is Split.GOLDEN)
    split, data_subject, sealed = reference[number]
    reference[number] = (split, data_subject, sealed[:-1] + bytes([sealed[-1] ^ 1]))
    broken = copy.broken()
    assert broken is not None
    assert (broken.fault, broken.link) == (Fault.GOLDEN_ROWS_CHANGED, 1)


def test_an_older_copy_in_place_of_the_database_is_found_and_gets_no_anchor(told: Decided) -> None:
    copy = told.copied()
    rows = copy.work.store.rows_of(told.task.task_id)
    del rows.chain[6:], rows.decisions[6:]
    rows.head = rows.head._replace(link=6, digest=rows.chain[-1].digest)
    broken = copy.broken()
    assert broken is not None
    assert (broken.fault, broken.link) == (Fault.CHAIN_CUT, 7)
    assert not asyncio.run(anchor(copy.work, told.task))
    for _ in range(5):
        rows.add_link(b"verdicts")
    assert not asyncio.run(anchor(copy.work, told.task))
    assert len(copy.work.anchors.lines(told.task.task_id)) == 10


def rollouts_of(copy: Decided) -> dict[str, Rollout]:
    return copy.work.store.rows_of(copy.task.task_id).rollouts


def of_watched(copy: Decided, **changes: Any) -> None:
    rollouts = rollouts_of(copy)
    watched = list(rollouts)[-2]
    rollouts[watched] = replace(rollouts[watched], **changes)


def of_refused(copy: Decided, **changes: Any) -> None:
    updates = copy.work.store.rows_of(copy.task.task_id).updates
    name, (judged, link) = next(each for each in updates.items() if each[1][0].verdict is UpdateVerdict.REFUSED)
    updates[name] = (replace(judged, **changes), link)


def without_a_judgement(copy: Decided) -> None:
    copy.work.store.rows_of(copy.task.task_id).updates.popitem()


def with_another_judgement(copy: Decided) -> None:
    updates = copy.work.store.rows_of(copy.task.task_id).updates
    judged, link = list(updates.values())[-1]
    updates["f" * 32] = (replace(judged, event_id="f" * 32), link)


def without_a_rollout(copy: Decided) -> None:
    rollouts_of(copy).popitem()


def with_another_rollout(copy: Decided) -> None:
    rollouts = rollouts_of(copy)
    newest = list(rollouts.values())[-1]
    rollouts["f" * 32] = replace(newest, rollout_id="f" * 32, phase=RolloutPhase.SETTLED)


TAMPERED: list[tuple[Callable[[Decided], None], int, str]] = [
    (lambda copy: of_watched(copy, phase=RolloutPhase.SETTLED), 9, "another phase"),
    (lambda copy: of_watched(copy, version=1), 9, "another version"),
    (lambda copy: of_watched(copy, model_digest="f" * 64), 9, "another model_digest"),
    (lambda copy: of_watched(copy, by="eve"), 9, "another by"),
    (lambda copy: of_watched(copy, back_to=2, back_digest="f" * 64), 9, "another back_to, back_digest"),
    (lambda copy: of_watched(copy, revision=1, phase=RolloutPhase.ARMED), 9, "listed as of its step 1"),
    (lambda copy: of_watched(copy, revision=9), 0, "no decision knows of a rollout"),
    (lambda copy: of_refused(copy, verdict=UpdateVerdict.ACCEPTED), 6, "another verdict"),
    (lambda copy: of_refused(copy, findings=()), 6, "another findings"),
    (lambda copy: of_refused(copy, policy_version=1), 6, "another policy_version"),
    (without_a_judgement, 7, "is missing"),
    (with_another_judgement, 0, "no decision knows of a judgement"),
    (without_a_rollout, 10, "is missing"),
    (with_another_rollout, 0, "no decision knows of a rollout"),
]


@pytest.mark.parametrize(("tamper", "link", "what"), TAMPERED, ids=[what for _, _, what in TAMPERED])
def test_a_row_of_a_table_that_says_otherwise_than_its_decision_is_found(
    told: Decided, tamper: Callable[[Decided], None], link: int, what: str
) -> None:
    copy = told.copied()
    tamper(copy)
    broken = copy.broken()
    assert broken is not None
    assert (broken.fault, broken.link) == (Fault.TABLE_DIFFERS, link), broken.what
    assert what in broken.what


def test_what_a_step_that_was_computed_left_as_it_was_is_proven_too(told: Decided) -> None:
    copy = told.copied()
    rollouts = rollouts_of(copy)
    first = next(iter(rollouts))
    rollouts[first] = replace(rollouts[first], started_at_us=0, overridden=True)
    broken = copy.broken()
    assert broken is not None
    assert "another started_at_us, overridden than link 5" in broken.what


def test_a_changed_bundle_is_found_and_is_not_replayed(told: Decided) -> None:
    copy = told.copied()
    chain = copy.work.store.rows_of(told.task.task_id).chain
    chain[6] = chain[6]._replace(evidence=chain[6].evidence.replace(b"it is needed", b"it was needed"[:12]))
    broken = copy.broken()
    assert broken is not None
    assert (broken.fault, broken.link) == (Fault.BUNDLE_CHANGED, 7)
    with pytest.raises(SealBroken, match="link 7 "):
        asyncio.run(replay_decisions(copy.work, NAME, lambda policy: policy))


def test_a_decision_stands_while_the_disk_of_the_anchors_is_away_and_is_anchored_by_the_next(told: Decided) -> None:
    copy = told.copied()
    copy.work.anchors.available = False
    asyncio.run(rollback(copy.work, NAME, 1, by="bob"))
    copy.work.anchors.available = True
    newest = kept(copy)[-1]
    signed = open_bundle(newest.decision.evidence)
    assert signed is not None
    assert (newest.link, newest.decision.kind) == (11, DecisionKind.ROLLED_BACK)
    asyncio.run(rollback(copy.work, NAME, 2, by="bob"))
    assert copy.broken() is None
    assert len(copy.work.anchors.lines(told.task.task_id)) == 11


def test_verdicts_of_rows_are_anchored_when_it_is_time_and_a_chain_that_stood_still_is_not(told: Decided) -> None:
    copy = told.copied()
    copy.work.store.rows_of(told.task.task_id).add_link(b"verdicts")
    for _ in range(2):
        asyncio.run(ChainAnchoring(copy.work).anchor_all())
        assert len(copy.work.anchors.lines(told.task.task_id)) == 11
    assert copy.broken() is None


def test_an_anchor_that_was_changed_stops_the_anchoring(told: Decided) -> None:
    copy = told.copied()
    copy.work.anchors.kept[told.task.task_id][-1] = b"nothing"
    copy.work.store.rows_of(told.task.task_id).add_link(b"verdicts")
    assert not asyncio.run(anchor(copy.work, told.task))
    broken = copy.broken()
    assert broken is not None
    assert broken.fault is Fault.ANCHOR_CHANGED


def test_two_versions_side_by_side(told: Decided) -> None:
    found = asyncio.run(diff(told.work, NAME, 1, 2))
    assert found.before.facts["training data"] != found.after.facts["training data"]
    assert found.before.facts["schema"] == found.after.facts["schema"]
    assert found.after.parameters["seed"] == "0"
    assert found.before.size_bytes > 1_000
    assert found.apart.rows > 0
    assert found.apart.kl > 0.0
    same = asyncio.run(diff(told.work, NAME, 2, 2)).apart
    assert (same.kl, same.differing) == (0.0, 0.0)
    with pytest.raises(ModelNotFound):
        asyncio.run(diff(told.work, NAME, 1, 9))


def test_a_task_that_could_not_be_made_leaves_no_anchor() -> None:
    work, task = small_task()
    assert len(work.anchors.lines(task.task_id)) == 1
    assert list(work.anchors.kept) == [task.task_id]
