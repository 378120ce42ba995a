"""Whatever is done to a chain, its decisions, its anchors or the golden rows: the first broken thing is named."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import pytest
from msgspec.structs import replace

from dissonance.contracts.evidence import DecisionKind, canonical
from dissonance.decisions.evidence.bundle import Bundle
from dissonance.decisions.evidence.chain import GOLDEN_BEFORE, GOLDEN_ROWS, ChainCheck
from dissonance.decisions.evidence.links import Fault
from dissonance.security.evidence import SignedBundle, open_bundle
from support.evidence import FOREIGN_KEYS, GOLDEN, KEYS, MINUTE_US, Chain, bundle_of, signed


def chain_of_five() -> Chain:
    """Rows' verdicts at links 1 and 4, decisions at 2, 3 and 5; anchors at 2, 4 and 5."""
    chain = Chain()
    chain.add(b"verdicts")
    first = chain.decide(bundle_of(cause="first"))
    chain.anchor()
    second = chain.decide(bundle_of(DecisionKind.CANARY, cause="second", parent=first))
    chain.add(b"more verdicts")
    chain.anchor()
    chain.decide(bundle_of(cause="third", parent=second))
    chain.anchor()
    return chain


def opened(chain: Chain, link: int) -> SignedBundle:
    found = open_bundle(chain.links[link - 1].evidence)
    assert found is not None
    return found


def put(chain: Chain, link: int, evidence: bytes) -> None:
    chain.links[link - 1] = chain.links[link - 1]._replace(evidence=evidence)


def put_anew(chain: Chain, link: int, evidence: bytes, decision_id: str | None = None) -> None:
    """With all digests after it, and the index, as who can write everywhere in the database would."""
    contents = chain.contents()
    contents[link - 1] = (evidence, contents[link - 1][1] if decision_id is None else decision_id)
    chain.again(contents)


def forged(chain: Chain, link: int, **changes: object) -> SignedBundle:
    """Another content, with the signature of before."""
    found = opened(chain, link)
    body = msgspec.json.decode(found.body)
    return replace(found, body=canonical({**body, **changes}))


def a_byte_of_a_bundle(chain: Chain) -> None:
    put(chain, 3, chain.links[2].evidence.replace(b"a test", b"a Test"))


def a_bundle_for_other_evidence(chain: Chain) -> None:
    put(chain, 3, b"verdicts")


def a_signature(chain: Chain) -> None:
    put(chain, 3, replace(opened(chain, 3), signature=bytes(64)).encoded())


def a_bundle_with_all_digests_anew(chain: Chain) -> None:
    found = forged(chain, 3, reason="another")
    put_anew(chain, 3, found.encoded(), found.decision_id)


def the_golden_digest_of_a_bundle(chain: Chain) -> None:
    found = forged(chain, 2, digests={"golden_rows": "8" * 64})
    put_anew(chain, 2, found.encoded(), found.decision_id)


def a_bundle_of_somebody_else(chain: Chain) -> None:
    found = signed(bundle_of(cause="second"), FOREIGN_KEYS)
    put_anew(chain, 3, found.encoded(), found.decision_id)


def a_bundle_in_other_bytes(chain: Chain) -> None:
    body = msgspec.json.format(opened(chain, 3).body)
    found = replace(opened(chain, 3), body=body)
    put_anew(chain, 3, found.encoded(), found.decision_id)


def a_bundle_of_another_task(chain: Chain) -> None:
    found = signed(bundle_of(task_id="b" * 32))
    put_anew(chain, 3, found.encoded(), found.decision_id)


def a_bundle_without_its_parent(chain: Chain) -> None:
    found = signed(bundle_of(parent="7" * 64))
    put_anew(chain, 3, found.encoded(), found.decision_id)


def verdicts_of_rows(chain: Chain) -> None:
    put(chain, 4, b"other verdicts")


def verdicts_with_all_digests_anew(chain: Chain) -> None:
    put_anew(chain, 4, b"other verdicts")


def a_link(chain: Chain) -> None:
    del chain.links[3]


def what_a_link_follows(chain: Chain) -> None:
    chain.links[3] = chain.links[3]._replace(previous=bytes(32))


def the_last_link(chain: Chain) -> None:
    del chain.links[4]


def the_last_link_and_the_head_with_it(chain: Chain) -> None:
    chain.again(chain.contents()[:4])


def all_of_it_for_an_older_copy(chain: Chain) -> None:
    chain.again(chain.contents()[:1])


def the_head(chain: Chain) -> None:
    chain.head = chain.head._replace(digest=bytes(32))


def the_index(chain: Chain) -> None:
    chain.links[2] = chain.links[2]._replace(decision_id="")


def a_byte_of_an_anchor(chain: Chain) -> None:
    chain.lines[1] = chain.lines[1].replace(b'"at_us":0', b'"at_us":1')


def an_anchor_for_no_anchor(chain: Chain) -> None:
    chain.lines[1] = b"nothing"


def an_anchor_for_one_of_somebody_else(chain: Chain) -> None:
    chain.lines.pop()
    chain.anchor(FOREIGN_KEYS)


def an_anchor_for_one_of_another_task(chain: Chain) -> None:
    chain.lines.pop()
    chain.anchor(task_id="b" * 32)


def an_anchor_that_goes_back(chain: Chain) -> None:
    chain.anchor(link=1, digest=chain.links[0].digest.hex())


def a_middle_anchor(chain: Chain) -> None:
    del chain.lines[1]


def the_last_anchor(chain: Chain) -> None:
    del chain.lines[2]


def every_anchor(chain: Chain) -> None:
    chain.lines.clear()


def anchors_and_new_ones_in_their_place(chain: Chain) -> None:
    chain.lines.clear()
    chain.anchor()


CASES: list[tuple[Callable[[Chain], None], Fault, int]] = [
    (a_byte_of_a_bundle, Fault.BUNDLE_CHANGED, 3),
    (a_bundle_for_other_evidence, Fault.BUNDLE_CHANGED, 3),
    (a_signature, Fault.SIGNATURE_WRONG, 3),
    (a_bundle_with_all_digests_anew, Fault.SIGNATURE_WRONG, 3),
    (the_golden_digest_of_a_bundle, Fault.SIGNATURE_WRONG, 2),
    (a_bundle_of_somebody_else, Fault.SIGNATURE_WRONG, 3),
    (a_bundle_in_other_bytes, Fault.SIGNATURE_WRONG, 3),
    (a_bundle_of_another_task, Fault.BUNDLE_CHANGED, 3),
    (a_bundle_without_its_parent, Fault.BUNDLE_CHANGED, 3),
    (verdicts_of_rows, Fault.LINK_CHANGED, 4),
    (verdicts_with_all_digests_anew, Fault.CHAIN_REPLACED, 4),
    (a_link, Fault.LINK_MISSING, 4),
    (what_a_link_follows, Fault.LINK_CHANGED, 4),
    (the_last_link, Fault.LINK_MISSING, 5),
    (the_last_link_and_the_head_with_it, Fault.CHAIN_CUT, 5),
    (all_of_it_for_an_older_copy, Fault.CHAIN_CUT, 2),
    (the_head, Fault.LINK_CHANGED, 5),
    (the_index, Fault.INDEX_DIFFERS, 3),
    (a_byte_of_an_anchor, Fault.ANCHOR_CHANGED, 0),
    (an_anchor_for_no_anchor, Fault.ANCHOR_CHANGED, 0),
    (an_anchor_for_one_of_somebody_else, Fault.ANCHOR_CHANGED, 0),
    (an_anchor_for_one_of_another_task, Fault.ANCHOR_CHANGED, 0),
    (an_anchor_that_goes_back, Fault.ANCHOR_CHANGED, 1),
    (a_middle_anchor, Fault.ANCHOR_MISSING, 0),
    (the_last_anchor, Fault.ANCHOR_MISSING, 5),
    (every_anchor, Fault.ANCHOR_MISSING, 3),
    (anchors_and_new_ones_in_their_place, Fault.ANCHOR_MISSING, 3),
]


@pytest.mark.parametrize(("tamper", "fault", "link"), CASES, ids=lambda each: getattr(each, "__name__", None))
def test_what_was_exchanged_or_taken_away_is_named(tamper: Callable[[Chain], None], fault: Fault, link: int) -> None:
    chain = chain_of_five()
    assert chain.check() is None
    tamper(chain)
    broken = chain.check()
    assert broken is not None
    assert (broken.fault, broken.link) == (fault, link), broken.what


def test_golden_rows_that_were_replaced_are_named_with_the_decision_that_saw_others() -> None:
    broken = chain_of_five().check(golden="8" * 64)
    assert broken is not None
    assert (broken.fault, broken.link) == (Fault.GOLDEN_ROWS_CHANGED, 2)


def refreshed(before: str, now: str) -> Bundle:
    digests = {GOLDEN_BEFORE: before, GOLDEN_ROWS: now}
    return bundle_of(DecisionKind.HOLDOUT_REFRESHED, cause=f"fresh {now[:1]}", digests=digests)


def test_a_fresh_holdout_follows_from_the_one_before_and_a_judgement_may_have_looked_at_that() -> None:
    chain = chain_of_five()
    chain.decide(refreshed(GOLDEN, "8" * 64))
    chain.decide(bundle_of(cause="had looked before"))
    chain.decide(bundle_of(cause="looks now", digests={GOLDEN_ROWS: "8" * 64}))
    chain.anchor()
    assert chain.check(golden="8" * 64) is None
    for golden, link in ((GOLDEN, 6), ("7" * 64, 6)):
        broken = chain.check(golden=golden)
        assert broken is not None
        assert (broken.fault, broken.link) == (Fault.GOLDEN_ROWS_CHANGED, link)


@pytest.mark.parametrize(
    "bundle", [refreshed("7" * 64, "8" * 64), bundle_of(cause="of others", digests={GOLDEN_ROWS: "8" * 64})]
)
def test_a_holdout_that_no_decision_put_in_place_of_the_one_before_is_named(bundle: Bundle) -> None:
    chain = chain_of_five()
    chain.decide(bundle)
    broken = chain.check()
    assert broken is not None
    assert (broken.fault, broken.link) == (Fault.GOLDEN_ROWS_CHANGED, 6)


def test_a_decision_may_wait_a_minute_for_its_anchor_and_verdicts_for_ever() -> None:
    chain = chain_of_five()
    chain.decide(bundle_of(cause="newest", decided_at_us=10 * MINUTE_US))
    assert chain.check(now_us=11 * MINUTE_US) is None
    broken = chain.check(now_us=11 * MINUTE_US + 1)
    assert broken is not None
    assert (broken.fault, broken.link) == (Fault.ANCHOR_MISSING, 6)
    rows = chain_of_five()
    rows.add(b"verdicts")
    assert rows.check() is None


def test_an_anchor_that_is_written_while_the_chain_is_read_is_no_fault() -> None:
    chain = chain_of_five()
    checked = ChainCheck("a" * 32, chain.head, list(chain.lines), KEYS.verification, GOLDEN)
    for link in chain.links:
        checked.add(link)
    chain.add(b"verdicts")
    chain.anchor()
    assert checked.result(chain.lines, 0) is None
    assert checked.result(chain.lines, 0) is None


def test_anchors_that_change_while_they_are_read_are_named() -> None:
    chain = chain_of_five()
    checked = ChainCheck("a" * 32, chain.head, list(chain.lines), KEYS.verification, GOLDEN)
    for link in chain.links:
        checked.add(link)
    broken = checked.result(chain.lines[:1], 0)
    assert broken is not None
    assert broken.fault is Fault.ANCHOR_CHANGED


def test_an_empty_chain_holds() -> None:
    assert Chain().check() is None
