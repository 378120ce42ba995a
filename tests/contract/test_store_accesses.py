"""Accesses are links of the whole system's chain, found by who, what, where, when and outcome."""

from __future__ import annotations

import pytest

from dissonance.contracts.accesses import AccessBatch, Outcome, read_batch
from dissonance.contracts.events import WHOLE_SYSTEM
from dissonance.contracts.evidence import DecisionKind
from dissonance.errors import UnknownTask
from dissonance.ports.accesses import Denied, KeptAccess, WantedAccesses
from dissonance.ports.store import Store
from support.accesses import access, denied
from support.store import StoreCase, with_task
from support.updates import decision_of


def batch_of(case: StoreCase, *accesses: object) -> AccessBatch:
    """The chain is shared by all tests of one database."""
    return AccessBatch(batch_id=case.make.randomness.token(16).hex(), by="test", accesses=list(accesses))  # type: ignore[arg-type]


def test_a_batch_is_one_link_however_often_it_is_recorded(case: StoreCase) -> None:
    async def story(store: Store) -> None:
        before = await store.chain_head(WHOLE_SYSTEM)
        one, two = batch_of(case, access(1), denied(2)), batch_of(case, access(3))
        links = [await store.record_accesses(each) for each in (one, two, one)]
        assert links == [before.link + 1, before.link + 2, before.link + 1]
        held = await store.chain_links(WHOLE_SYSTEM, before.link)
        assert [read_batch(link.evidence) for link in held] == [one, two]
        assert held[0].previous == before.digest
        assert await store.chain_head(WHOLE_SYSTEM) == (held[1].number, held[1].digest)
        assert await store.accesses_of(links[0], links[1]) == [
            KeptAccess(links[0], 0, access(1)),
            KeptAccess(links[0], 1, denied(2)),
            KeptAccess(links[1], 0, access(3)),
        ]

    case.tell(story)


def test_accesses_are_found_by_what_is_wanted_of_them(case: StoreCase) -> None:
    who = case.make.randomness.token(8).hex()

    async def story(store: Store) -> None:
        one = access(1, who=who)
        two = denied(2, who=who, source="192.0.2.2", task="loans", what="GET /v1/tasks/{task}/windows")
        await store.record_accesses(batch_of(case, one))
        await store.record_accesses(batch_of(case, two))

        async def found(**wanted: object) -> list[object]:
            return [kept.access for kept in await store.accesses(WantedAccesses(who=who)._replace(**wanted))]

        assert await found() == [two, one]
        assert await found(what="WINDOWS") == [two]
        assert await found(what="%") == []
        assert await found(task="loans") == [two]
        assert await found(source="192.0.2.1") == [one]
        assert await found(outcome=Outcome.DENIED) == [two]
        assert await found(start_us=one.last_us + 1) == [two]
        assert await found(end_us=two.last_us) == [one]
        assert await found(who="nobody at all") == []
        assert len(await store.accesses(WantedAccesses(who=who), limit=1)) == 1

    case.tell(story)


def test_denials_are_summed_by_place_and_holder(case: StoreCase) -> None:
    who, late_us = case.make.randomness.token(8).hex(), 10**15

    async def story(store: Store) -> None:
        many = denied(1, who=who, count=7, last_us=late_us)
        few = denied(2, who=who, source="192.0.2.2", last_us=late_us)
        early, let_in = denied(3, who=who, last_us=late_us - 1), access(4, who=who, last_us=late_us)
        await store.record_accesses(batch_of(case, few, many, many, early, let_in))
        found = [each for each in await store.denied_since(late_us) if each.who == who]
        assert found == [Denied("192.0.2.1", who, 14), Denied("192.0.2.2", who, 1)]

    case.tell(story)


def test_a_task_that_is_deleted_takes_its_chain_along_and_no_access(case: StoreCase) -> None:
    async def story(store: Store) -> None:
        task_id = await with_task(store, case.make)
        link = await store.record_accesses(batch_of(case, access(1)))
        await store.delete(task_id)
        assert await store.chain_links(task_id) == []
        assert (await store.chain_head(WHOLE_SYSTEM)).link >= link
        assert await store.accesses_of(link, link) == [KeptAccess(link, 0, access(1))]

    case.tell(story)


def test_nothing_but_accesses_is_added_to_the_chain_of_the_whole_system_and_nothing_deletes_it(case: StoreCase) -> None:
    async def story(store: Store) -> None:
        await store.record_accesses(batch_of(case, access(1)))
        before = await store.chain_head(WHOLE_SYSTEM)
        for task_id in (WHOLE_SYSTEM, "not an id"):
            with pytest.raises(UnknownTask):
                await store.record_decision(decision_of(task_id, "cause", DecisionKind.PROMOTED))
            with pytest.raises(UnknownTask):
                await store.record_verdicts(task_id, case.make.verdict_rows(case.make.judged(task_id)), {})
            await store.delete(task_id)
        assert await store.chain_head(WHOLE_SYSTEM) == before

    case.tell(story)


def test_whatever_a_caller_wrote_can_be_stored(case: StoreCase) -> None:
    async def story(store: Store) -> None:
        odd = access(1, task="'; DROP TABLE tasks; --", who='"\\ \u20ac', what="<script>")
        link = await store.record_accesses(batch_of(case, odd))
        assert [kept.access for kept in await store.accesses_of(link, link)] == [odd]

    case.tell(story)
