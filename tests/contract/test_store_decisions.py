"""Decisions are links of the chain, found by time, kind, version, id and cause."""

from __future__ import annotations

import hashlib

import pytest

from dissonance.contracts.evidence import DecisionKind
from dissonance.contracts.verdicts import Reason
from dissonance.errors import UnknownTask
from dissonance.ports.decisions import ChainHead, ChainLink, Decision, KeptDecision, Wanted
from dissonance.ports.store import Store
from support.store import NO_TASK, StoreCase, with_task
from support.updates import decision_of

CANARY, PROMOTED, REFUSED = DecisionKind.CANARY, DecisionKind.PROMOTED, DecisionKind.REFUSED


def three_of(task_id: str) -> list[Decision]:
    return [
        decision_of(task_id, "one", PROMOTED, version=1, decided_at_us=10),
        decision_of(task_id, "two", REFUSED, version=2, decided_at_us=20),
        decision_of(task_id, "three", CANARY, version=3, decided_at_us=30),
    ]


def test_a_decision_is_one_link_however_often_it_is_recorded(case: StoreCase) -> None:
    async def story(store: Store) -> None:
        task_id = await with_task(store, case.make)
        one, two, _ = three_of(task_id)
        assert [await store.record_decision(each) for each in (one, two, one)] == [1, 2, 1]
        assert await store.decisions(task_id) == [KeptDecision(2, two), KeptDecision(1, one)]
        assert await store.evidence(task_id) == [(1, b"one"), (2, b"two")]
        assert await store.verify_chain(task_id) == 2

    case.tell(story)


def test_decisions_are_found_by_what_is_wanted_of_them(case: StoreCase) -> None:
    async def story(store: Store) -> None:
        task_id = await with_task(store, case.make)
        one, two, three = three_of(task_id)
        for each in (one, two, three):
            await store.record_decision(each)

        async def causes(wanted: Wanted, limit: int = 100) -> list[str]:
            return [kept.decision.cause for kept in await store.decisions(task_id, wanted, limit)]

        assert await causes(Wanted(), 2) == ["three", "two"]
        assert await causes(Wanted((PROMOTED, CANARY))) == ["three", "one"]
        assert await causes(Wanted(version=2)) == ["two"]
        assert await causes(Wanted(start_us=20, end_us=30)) == ["two"]
        assert await causes(Wanted((CANARY,), version=1)) == []
        assert await store.decision_of(task_id, "two") == KeptDecision(2, two)
        assert await store.decision_of(task_id, "four") is None
        assert await store.decisions_named(task_id, one.decision_id[:8]) == [KeptDecision(1, one)]
        assert len(await store.decisions_named(task_id, "")) == 2
        assert await store.decisions_named(task_id, "%") == []

    case.tell(story)


def test_links_are_told_as_they_lie_there_with_the_decision_that_is_indexed_under_each(case: StoreCase) -> None:
    async def story(store: Store) -> None:
        task_id = await with_task(store, case.make)
        assert await store.chain_head(task_id) == ChainHead(0, bytes(32))
        assert await store.chain_links(task_id) == []
        rows = case.make.verdict_rows(case.make.judged(task_id, 1), Reason.AGREED, evidence=b"verdicts")
        assert await store.record_verdicts(task_id, rows, {})
        one, *_ = three_of(task_id)
        await store.record_decision(one)
        first = hashlib.sha256(bytes(32) + b"verdicts").digest()
        second = hashlib.sha256(first + b"one").digest()
        links = [ChainLink(1, bytes(32), first, b"verdicts"), ChainLink(2, first, second, b"one", one.decision_id)]
        assert await store.chain_links(task_id) == links
        assert await store.chain_links(task_id, 1, 5) == links[1:]
        assert await store.chain_links(task_id, 0, 1) == links[:1]
        assert await store.chain_head(task_id) == ChainHead(2, second)

    case.tell(story)


def test_tampering_shows_in_the_links_and_in_what_is_read_of_a_decision(case: StoreCase) -> None:
    ids: list[str] = []

    async def filled(store: Store) -> None:
        ids.append(await with_task(store, case.make))
        for each in three_of(ids[0]):
            await store.record_decision(each)

    async def told(store: Store) -> None:
        assert [link.evidence for link in await store.chain_links(ids[0])] == [b"one", b"other numbers", b"three"]
        kept = await store.decision_of(ids[0], "two")
        assert kept is not None
        assert kept.decision.evidence == b"other numbers"

    async def shorter(store: Store) -> None:
        assert (await store.chain_head(ids[0])).link == 3
        assert len(await store.chain_links(ids[0])) == 2
        assert [kept.link for kept in await store.decisions(ids[0])] == [2, 1]

    case.tell(filled)
    case.tamper_with_evidence(ids[0], 2)
    case.tell(told)
    case.drop_last_link(ids[0])
    case.tell(shorter)


def test_a_task_that_is_not_there_has_no_decisions_and_takes_none(case: StoreCase) -> None:
    async def story(store: Store) -> None:
        with pytest.raises(UnknownTask):
            await store.record_decision(decision_of(NO_TASK, "one"))
        with pytest.raises(UnknownTask):
            await store.chain_head(NO_TASK)
        assert await store.decisions(NO_TASK) == []
        assert await store.chain_links(NO_TASK) == []
        assert await store.decision_of(NO_TASK, "one") is None
        task_id = await with_task(store, case.make)
        await store.record_decision(decision_of(task_id, "one"))
        await store.delete(task_id)
        assert await store.decisions(task_id) == []

    case.tell(story)
