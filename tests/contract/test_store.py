"""What every experience store keeps to: the double in memory, and PostgreSQL."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import msgspec
import pytest

from dissonance.adapters.embedded.addresses import EngineAddresses
from dissonance.adapters.postgres.migrate import migrate
from dissonance.contracts.policy import Policy
from dissonance.contracts.times import HOUR_US
from dissonance.contracts.verdicts import Reason, Verdict
from dissonance.errors import MalformedEvent, PolicyInvalid, SealBroken, TaskExists, UnknownTask, WrongType
from dissonance.ports.store import Counts, IdempotentAnswer, ReferenceRows, Split, Store, WindowFigures
from support.database import fresh_database
from support.store import MemoryStoreCase, PostgresStoreCase, RowMaker, StoreCase, with_task

NO_TASK = "f" * 32
WEEK_S = 7 * 86_400


@pytest.fixture(scope="module")
def store_url(engines: EngineAddresses) -> Iterator[str]:
    with fresh_database(engines.database_url) as url:
        migrate(url)
        yield url


@pytest.fixture(params=["memory", "postgres"])
def case(request: pytest.FixtureRequest) -> StoreCase:
    make = RowMaker(request.node.nodeid)
    if request.param == "memory":
        return MemoryStoreCase(make)
    return PostgresStoreCase(make, request.getfixturevalue("store_url"))


def test_task_is_found_by_name_and_id_exactly_as_created(case: StoreCase) -> None:
    async def story(store: Store) -> None:
        task = case.make.task(classes=(1.0, 1e300, "x", True), time_column="at", data_subject_column="person")
        await store.create(task, Policy())
        for found in (await store.by_name(task.name), await store.by_id(task.task_id)):
            assert found == task
            assert [type(value) for value in found.classes] == [float, float, str, bool]
        assert task in await store.all()

    case.tell(story)


def test_task_name_or_id_is_taken(case: StoreCase) -> None:
    async def story(store: Store) -> None:
        task = case.make.task()
        await store.create(task, Policy())
        for clash in (case.make.task(name=task.name), case.make.task(task_id=task.task_id)):
            with pytest.raises(TaskExists):
                await store.create(clash, Policy())
        assert await store.by_name(task.name) == task

    case.tell(story)


def test_task_id_that_is_not_32_hex_digits_is_refused(case: StoreCase) -> None:
    async def story(store: Store) -> None:
        for wrong in ("census", "", "0" * 32, "ab" * 17):
            with pytest.raises(WrongType):
                await store.create(case.make.task(task_id=wrong), Policy())

    case.tell(story)


@pytest.mark.parametrize("task_id", [NO_TASK, "not an id"])
def test_unknown_task_is_named_by_writes_and_empty_in_reads(case: StoreCase, task_id: str) -> None:
    async def story(store: Store) -> None:
        event = case.make.judged(task_id)
        reference = ReferenceRows([0], [Split.TRAIN], [b"s" * 16], [b"x"])
        for refused in (
            store.by_id(task_id),
            store.by_name(task_id),
            store.policy(task_id),
            store.set_policy(task_id, Policy(version=2), reason="r", by="b"),
            store.add_reference(task_id, reference),
            store.record_verdicts(task_id, case.make.verdict_rows(event), {}),
            store.verify_chain(task_id),
            store.save_window(case.make.window(task_id)),
        ):
            with pytest.raises(UnknownTask):
                await refused
        assert await store.record([event]) == 0
        assert await store.add_labels(task_id, event.prediction_ids, event.sealed, [1] * 3, [True] * 3, "api") == 0
        assert await store.counts(task_id) == Counts(0, 0, 0)
        assert await store.latest_event_time_us(task_id) is None
        assert await store.windows(task_id) == []
        assert await store.retain(task_id, 1) == 0
        assert await store.budget_spent(task_id, [7]) == {7: 0}
        assert (await store.reference(task_id, Split.TRAIN)).row_numbers == []
        await store.delete(task_id)

    case.tell(story)


def test_policy_versions_follow_one_another(case: StoreCase) -> None:
    async def story(store: Store) -> None:
        task_id = await with_task(store, case.make, Policy(D_target=0.1, KL_eps=1e-9))
        assert await store.policy(task_id) == Policy(D_target=0.1, KL_eps=1e-9)
        second = Policy(version=2, max_dissonance=0.25)
        await store.set_policy(task_id, second, reason="tighter", by="operator")
        for wrong in (1, 2, 4):
            with pytest.raises(PolicyInvalid):
                await store.set_policy(task_id, Policy(version=wrong), reason="r", by="b")
        assert await store.policy(task_id) == second

    case.tell(story)


def test_two_replicas_set_a_policy_and_one_wins(case: StoreCase) -> None:
    async def story(one: Store, two: Store) -> None:
        task_id = await with_task(one, case.make)
        outcomes = await asyncio.gather(
            *(store.set_policy(task_id, Policy(version=2), reason="r", by="b") for store in (one, two)),
            return_exceptions=True,
        )
        assert sorted(type(outcome) for outcome in outcomes if outcome is not None) == [PolicyInvalid]

    case.tell_of_two(story)


def test_reference_rows_come_back_by_split_in_file_order(case: StoreCase) -> None:
    async def story(store: Store) -> None:
        task_id = await with_task(store, case.make)
        rows = ReferenceRows(
            row_numbers=[5, 0, 3, 9],
            splits=[Split.GOLDEN, Split.TRAIN, Split.GOLDEN, Split.CRITIC],
            data_subjects=[b"a" * 16, b"b" * 16, b"a" * 16, b"c" * 16],
            sealed=[b"five", b"zero", b"three", b"nine"],
        )
        assert await store.add_reference(task_id, rows) == 4
        assert await store.add_reference(task_id, msgspec.structs.replace(rows, sealed=[b"other"] * 4)) == 0
        golden = await store.reference(task_id, Split.GOLDEN)
        assert golden == ReferenceRows([3, 5], [Split.GOLDEN] * 2, [b"a" * 16] * 2, [b"three", b"five"])
        assert await store.golden_data_subjects(task_id) == {b"a" * 16}
        assert await store.add_reference(task_id, ReferenceRows([], [], [], [])) == 0

    case.tell(story)


def test_reference_rows_of_several_thousand_are_all_kept(case: StoreCase) -> None:
    async def story(store: Store) -> None:
        task_id = await with_task(store, case.make)
        n = 4_500
        rows = ReferenceRows(list(range(n)), [Split.TRAIN] * n, [b"s" * 16] * n, [str(i).encode() for i in range(n)])
        assert await store.add_reference(task_id, rows) == n
        assert await store.reference(task_id, Split.TRAIN) == rows

    case.tell(story)


def test_verdicts_are_recorded_once_and_read_back(case: StoreCase) -> None:
    async def story(store: Store) -> None:
        task_id = await with_task(store, case.make)
        event = case.make.judged(task_id)
        rows = case.make.verdict_rows(event, Reason.AGREED)
        assert await store.judged(task_id, event.prediction_ids) == {}
        assert await store.record_verdicts(task_id, rows, {})
        expected = (Verdict.ADMITTED, Reason.AGREED, 1)
        assert await store.judged(task_id, event.prediction_ids) == dict.fromkeys(event.prediction_ids, expected)
        assert await store.judged(task_id, [*case.make.ids.many(1)]) == {}
        assert await store.judged(task_id, []) == {}

    case.tell(story)


def test_verdicts_with_an_id_already_judged_change_nothing(case: StoreCase) -> None:
    async def story(store: Store) -> None:
        task_id = await with_task(store, case.make)
        first, second = case.make.judged(task_id, 2), case.make.judged(task_id, 2)
        assert await store.record_verdicts(task_id, case.make.verdict_rows(first), {})
        hour = first.event_times_us[0] // HOUR_US
        mixed = msgspec.structs.replace(second, prediction_ids=[second.prediction_ids[0], first.prediction_ids[0]])
        assert not await store.record_verdicts(task_id, case.make.verdict_rows(mixed), {hour: 2})
        assert await store.judged(task_id, second.prediction_ids) == {}
        assert await store.budget_spent(task_id, [hour]) == {hour: 2}
        assert await store.verify_chain(task_id) == 1

    case.tell(story)


def test_budget_counts_only_rows_admitted_under_it_by_hour_of_event_time(case: StoreCase) -> None:
    async def story(store: Store) -> None:
        task_id = await with_task(store, case.make)
        times = [0, HOUR_US - 1, HOUR_US, -1]
        within = case.make.judged(task_id, 4, event_times_us=times)
        agreed = case.make.judged(task_id, 1, event_times_us=[0])
        assert await store.record_verdicts(task_id, case.make.verdict_rows(within), {0: 0})
        assert await store.record_verdicts(task_id, case.make.verdict_rows(agreed, Reason.AGREED), {0: 2})
        assert await store.budget_spent(task_id, [-1, 0, 1, 2]) == {-1: 1, 0: 2, 1: 1, 2: 0}

    case.tell(story)


def test_budget_that_moved_since_it_was_read_refuses_the_verdicts(case: StoreCase) -> None:
    async def story(store: Store) -> None:
        task_id = await with_task(store, case.make)
        first = case.make.judged(task_id, 2, event_times_us=[0, 0])
        second = case.make.judged(task_id, 1, event_times_us=[0])
        assert await store.record_verdicts(task_id, case.make.verdict_rows(first), {})
        for stale in ({}, {0: 0}, {0: 1}, {0: 2, 5: 1}):
            assert not await store.record_verdicts(task_id, case.make.verdict_rows(second), stale)
        assert await store.judged(task_id, second.prediction_ids) == {}
        assert await store.record_verdicts(task_id, case.make.verdict_rows(second), {0: 2})
        assert await store.verify_chain(task_id) == 2

    case.tell(story)


def test_two_gates_spend_the_same_budget_and_one_is_told_to_decide_again(case: StoreCase) -> None:
    async def story(one: Store, two: Store) -> None:
        task_id = await with_task(one, case.make)
        for spent in range(5):
            events = [case.make.judged(task_id, 1, event_times_us=[0]) for _ in range(2)]
            outcomes = await asyncio.gather(
                *(
                    store.record_verdicts(task_id, case.make.verdict_rows(event), {0: spent})
                    for store, event in zip((one, two), events, strict=True)
                )
            )
            assert sorted(outcomes) == [False, True]
        assert await one.budget_spent(task_id, [0]) == {0: 5}
        assert await two.verify_chain(task_id) == 5

    case.tell_of_two(story)


def test_two_gates_judge_the_same_rows_and_one_is_told_to_decide_again(case: StoreCase) -> None:
    async def story(one: Store, two: Store) -> None:
        task_id = await with_task(one, case.make)
        rows = case.make.verdict_rows(case.make.judged(task_id), Reason.AGREED)
        outcomes = await asyncio.gather(*(store.record_verdicts(task_id, rows, {}) for store in (one, two)))
        assert sorted(outcomes) == [False, True]
        assert await one.verify_chain(task_id) == 1

    case.tell_of_two(story)


def test_no_verdicts_add_no_link(case: StoreCase) -> None:
    async def story(store: Store) -> None:
        task_id = await with_task(store, case.make)
        empty = case.make.verdict_rows(case.make.judged(task_id))
        empty = msgspec.structs.replace(empty, prediction_ids=[], event_times_us=[], verdicts=[], reasons=[])
        assert await store.record_verdicts(task_id, empty, {})
        assert await store.verify_chain(task_id) == 0

    case.tell(story)


def test_chain_with_tampered_evidence_is_found_out(case: StoreCase) -> None:
    ids: list[str] = []

    async def filled(store: Store) -> None:
        ids.append(await with_task(store, case.make))
        for number in range(3):
            rows = case.make.verdict_rows(case.make.judged(ids[0], 1), Reason.AGREED, evidence=b"%d" % number)
            assert await store.record_verdicts(ids[0], rows, {})
        assert await store.verify_chain(ids[0]) == 3

    async def found_out(store: Store) -> None:
        with pytest.raises(SealBroken, match="link 2 "):
            await store.verify_chain(ids[0])

    case.tell(filled)
    case.tamper_with_evidence(ids[0], 2)
    case.tell(found_out)


def test_chain_without_its_last_link_is_found_out(case: StoreCase) -> None:
    ids: list[str] = []

    async def filled(store: Store) -> None:
        ids.append(await with_task(store, case.make))
        for _ in range(2):
            rows = case.make.verdict_rows(case.make.judged(ids[0], 1), Reason.AGREED)
            assert await store.record_verdicts(ids[0], rows, {})

    async def found_out(store: Store) -> None:
        with pytest.raises(SealBroken, match="link 2 "):
            await store.verify_chain(ids[0])

    case.tell(filled)
    case.drop_last_link(ids[0])
    case.tell(found_out)


def test_recorded_rows_come_back_whole(case: StoreCase) -> None:
    async def story(store: Store) -> None:
        task_id = await with_task(store, case.make)
        event = case.make.judged(task_id, 2, confidences=[0.1, 1.0], dissonances=[0.3, 0.0], critic_digest="")
        assert await store.record([event]) == 2
        found = await store.find(task_id, event.prediction_ids)
        for i, prediction_id in enumerate(event.prediction_ids):
            row = found[prediction_id]
            assert (row.prediction_id, row.data_subject) == (prediction_id, event.data_subjects[i])
            assert (row.event_time_us, row.processing_time_us) == (
                event.event_times_us[i],
                event.processing_times_us[i],
            )
            assert (row.sealed, row.model_digest, row.critic_digest) == (event.sealed[i], event.model_digest, "")
            assert (row.policy_version, row.verdict, row.reason) == (1, Verdict.ADMITTED, Reason.AGREED)
            assert (row.confidence, row.dissonance) == (event.confidences[i], event.dissonances[i])
            assert (row.label_sealed, row.labelled_at_us, row.right) == (None, None, None)
        assert await store.data_subjects_of(task_id, event.prediction_ids) == {
            prediction_id: (event.data_subjects[i], event.event_times_us[i])
            for i, prediction_id in enumerate(event.prediction_ids)
        }

    case.tell(story)


def test_recording_again_stores_only_what_is_new(case: StoreCase) -> None:
    async def story(store: Store) -> None:
        task_id = await with_task(store, case.make)
        first, second = case.make.judged(task_id, 3), case.make.judged(task_id, 4)
        assert await store.record([first]) == 3
        changed = msgspec.structs.replace(first, sealed=[b"other"] * 3)
        assert await store.record([changed, second, second]) == 4
        assert await store.counts(task_id) == Counts(7, 0, 0)
        kept = await store.find(task_id, first.prediction_ids)
        assert [kept[each].sealed for each in first.prediction_ids] == first.sealed
        assert await store.record([]) == 0

    case.tell(story)


def test_messages_of_several_tasks_are_recorded_together(case: StoreCase) -> None:
    async def story(store: Store) -> None:
        one, two = await with_task(store, case.make), await with_task(store, case.make)
        events = [
            case.make.judged(one, 2, model_digest="01" * 32),
            case.make.judged(two, 3, model_digest="02" * 32),
            case.make.judged(NO_TASK, 1),
        ]
        assert await store.record(events) == 5
        assert {row.model_digest for row in await store.between(one, 0, 2**62)} == {"01" * 32}
        assert {row.model_digest for row in await store.between(two, 0, 2**62)} == {"02" * 32}
        assert await store.stored_ids(one, events[1].prediction_ids) == set()
        assert await store.find(one, events[1].prediction_ids) == {}
        assert await store.stored_ids(two, events[1].prediction_ids) == set(events[1].prediction_ids)

    case.tell(story)


def test_more_rows_than_one_statement_takes_are_all_stored(case: StoreCase) -> None:
    async def story(store: Store) -> None:
        task_id = await with_task(store, case.make)
        assert await store.record([case.make.judged(task_id, 1_500) for _ in range(3)]) == 4_500
        assert await store.counts(task_id) == Counts(4_500, 0, 0)

    case.tell(story)


def test_two_learners_store_the_same_rows_at_once(case: StoreCase) -> None:
    async def story(one: Store, two: Store) -> None:
        task_id = await with_task(one, case.make)
        for _ in range(5):
            event = case.make.judged(task_id, 50)
            backwards = msgspec.structs.replace(event, prediction_ids=event.prediction_ids[::-1])
            assert sum(await asyncio.gather(one.record([event]), two.record([backwards]))) == 50
        assert await one.counts(task_id) == Counts(250, 0, 0)

    case.tell_of_two(story)


def test_two_replicas_reach_a_new_week_at_once(case: StoreCase) -> None:
    async def story(one: Store, two: Store) -> None:
        task_id = await with_task(one, case.make)
        for _ in range(4):
            case.make.clock.advance(WEEK_S)
            events = [case.make.judged(task_id, 5) for _ in range(2)]
            assert await asyncio.gather(one.record(events[:1]), two.record(events[1:])) == [5, 5]
        assert await two.counts(task_id) == Counts(40, 0, 0)

    case.tell_of_two(story)


@pytest.mark.parametrize("wrong", [b"short", bytes(16), bytes(range(16))])
def test_prediction_id_that_is_no_uuid7_is_refused_and_nothing_stored(case: StoreCase, wrong: bytes) -> None:
    async def story(store: Store) -> None:
        task_id = await with_task(store, case.make)
        event = case.make.judged(task_id, 2)
        event = msgspec.structs.replace(event, prediction_ids=[event.prediction_ids[0], wrong])
        with pytest.raises(MalformedEvent):
            await store.record([event])
        with pytest.raises(MalformedEvent):
            await store.record_verdicts(task_id, case.make.verdict_rows(event), {})
        assert await store.counts(task_id) == Counts(0, 0, 0)

    case.tell(story)


def test_digest_that_is_not_hex_is_refused_and_nothing_stored(case: StoreCase) -> None:
    async def story(store: Store) -> None:
        task_id = await with_task(store, case.make)
        with pytest.raises(MalformedEvent):
            await store.record([case.make.judged(task_id), case.make.judged(task_id, model_digest="latest")])
        assert await store.counts(task_id) == Counts(0, 0, 0)

    case.tell(story)


def test_latest_label_wins_whatever_order_they_come_in(case: StoreCase) -> None:
    async def story(store: Store) -> None:
        task_id = await with_task(store, case.make)
        event = case.make.judged(task_id, 1)
        await store.record([event])
        ids = event.prediction_ids
        assert await store.add_labels(task_id, ids, [b"second"], [200], [True], "api") == 1
        assert await store.add_labels(task_id, ids, [b"second"], [200], [True], "api") == 0
        assert await store.add_labels(task_id, ids, [b"first"], [100], [False], "api") == 0
        assert await store.add_labels(task_id, ids * 2, [b"third", b"fourth"], [300, 400], [True, False], "api") == 1
        row = (await store.find(task_id, ids))[ids[0]]
        assert (row.label_sealed, row.labelled_at_us, row.right) == (b"fourth", 400, False)
        assert (await store.counts(task_id)).labelled == 1

    case.tell(story)


def test_label_of_a_row_that_is_not_stored_under_the_task_changes_nothing(case: StoreCase) -> None:
    async def story(store: Store) -> None:
        task_id, other = await with_task(store, case.make), await with_task(store, case.make)
        event = case.make.judged(task_id, 1)
        await store.record([event])
        unknown = case.make.ids.next()
        assert await store.add_labels(task_id, [unknown], [b"l"], [1], [True], "api") == 0
        assert await store.add_labels(other, event.prediction_ids, [b"l"], [1], [True], "api") == 0
        assert await store.add_labels(task_id, [], [], [], [], "api") == 0
        assert (await store.counts(task_id)).labelled == 0

    case.tell(story)


def test_between_is_half_open_ordered_and_limited(case: StoreCase) -> None:
    async def story(store: Store) -> None:
        task_id = await with_task(store, case.make)
        event = case.make.judged(task_id, 5, event_times_us=[50, 10, 30, 20, 40])
        await store.record([event])
        rows = await store.between(task_id, 20, 50)
        assert [row.event_time_us for row in rows] == [20, 30, 40]
        assert [row.event_time_us for row in await store.between(task_id, 0, 99, limit=2)] == [10, 20]
        assert await store.between(task_id, 51, 99) == []
        assert await store.latest_event_time_us(task_id) == 50

    case.tell(story)


def test_learnable_is_admitted_and_labelled_in_order_of_event_time(case: StoreCase) -> None:
    async def story(store: Store) -> None:
        task_id = await with_task(store, case.make)
        admitted = case.make.judged(task_id, 3, event_times_us=[30, 20, 10])
        blocked = case.make.judged(task_id, 1, verdict=Verdict.BLOCKED, reason=Reason.RANGE)
        await store.record([admitted, blocked])
        labelled = [*admitted.prediction_ids[:2], *blocked.prediction_ids]
        await store.add_labels(task_id, labelled, [b"l"] * 3, [1] * 3, [True] * 3, "api")
        learnable = await store.learnable(task_id)
        assert [row.prediction_id for row in learnable] == admitted.prediction_ids[1::-1]
        assert all(row.label_sealed == b"l" for row in learnable)
        assert await store.counts(task_id) == Counts(admitted=3, blocked=1, labelled=3)

    case.tell(story)


def test_figures_sum_the_rows_of_a_window(case: StoreCase) -> None:
    async def story(store: Store) -> None:
        task_id = await with_task(store, case.make)
        event = case.make.judged(
            task_id,
            4,
            event_times_us=[0, 1, 2, 3],
            confidences=[0.5, 0.25, 0.125, 1.0],
            dissonances=[0.5, 0.25, 0.125, 1.0],
        )
        await store.record([event])
        await store.add_labels(task_id, event.prediction_ids[1:], [b"l"] * 3, [1] * 3, [True, False, True], "api")
        assert await store.figures(task_id, 0, 3, 0.125) == WindowFigures(3, 2, 1, 0.875, 0.875, 2)
        assert await store.figures(task_id, 9, 10, 0.125) == WindowFigures(0, 0, 0, 0.0, 0.0, 0)

    case.tell(story)


def test_retention_drops_and_counts_rows_processed_before(case: StoreCase) -> None:
    async def story(store: Store) -> None:
        task_id, other = await with_task(store, case.make), await with_task(store, case.make)
        old = [case.make.judged(task_id, 3), case.make.judged(other, 2)]
        await store.record(old)
        await store.record_verdicts(task_id, case.make.verdict_rows(old[0]), {})
        await store.add_labels(task_id, old[0].prediction_ids, [b"l"] * 3, [1] * 3, [True] * 3, "api")
        case.make.clock.advance(60)
        young = case.make.judged(task_id, 4)
        await store.record([young])
        assert await store.retain(task_id, case.make.clock.now_us()) == 3
        assert await store.retain(task_id, case.make.clock.now_us()) == 0
        assert await store.dropped_by_retention(task_id) == 3
        assert await store.counts(task_id) == Counts(4, 0, 0)
        assert await store.counts(other) == Counts(2, 0, 0)
        assert await store.dropped_by_retention(other) == 0
        assert await store.judged(task_id, old[0].prediction_ids) == {}

    case.tell(story)


def test_retention_of_weeks_leaves_later_weeks_and_other_tasks(case: StoreCase) -> None:
    async def story(store: Store) -> None:
        task_id, other = await with_task(store, case.make), await with_task(store, case.make)
        case.make.clock.advance(40 * WEEK_S)  # weeks in which no other test has rows
        start = case.make.clock.now_us()
        for week in range(4):
            await store.record([case.make.judged(task_id, 10)])
            if week == 1:
                await store.record([case.make.judged(other, 1)])
            case.make.clock.advance(WEEK_S)
        assert await store.retain(task_id, start + 3 * WEEK_S * 1_000_000) == 30
        assert await store.dropped_by_retention(task_id) == 30
        assert await store.counts(task_id) == Counts(10, 0, 0)
        assert await store.counts(other) == Counts(1, 0, 0)

    case.tell(story)


def test_row_of_a_week_that_another_replica_dropped_is_still_stored(case: StoreCase) -> None:
    async def story(one: Store, two: Store) -> None:
        task_id = await with_task(one, case.make)
        case.make.clock.advance(60 * WEEK_S)
        assert await one.record([case.make.judged(task_id, 2)]) == 2
        late = case.make.judged(task_id, 3)
        case.make.clock.advance(3 * WEEK_S)
        assert await two.retain(task_id, case.make.clock.now_us()) == 2
        assert await one.record([late]) == 3
        assert await one.record_verdicts(task_id, case.make.verdict_rows(late), {})

    case.tell_of_two(story)


def test_window_is_restated_under_the_next_revision_when_its_figures_change(case: StoreCase) -> None:
    async def story(store: Store) -> None:
        task_id = await with_task(store, case.make)
        first = case.make.window(task_id, 1_000)
        assert await store.save_window(first) == 1
        assert await store.save_window(first) == 1
        restated = msgspec.structs.replace(first, labelled=4, realised_accuracy=1 / 3, closed=True)
        assert await store.save_window(restated) == 2
        assert await store.save_window(first) == 3
        assert await store.save_window(restated) == 4
        assert await store.windows(task_id) == [msgspec.structs.replace(restated, revision=4)]

    case.tell(story)


def test_windows_come_newest_first_and_limited(case: StoreCase) -> None:
    async def story(store: Store) -> None:
        task_id = await with_task(store, case.make)
        for start in (2_000, 1_000, 3_000):
            await store.save_window(case.make.window(task_id, start))
        assert [window.start_us for window in await store.windows(task_id)] == [3_000, 2_000, 1_000]
        assert [window.start_us for window in await store.windows(task_id, limit=1)] == [3_000]

    case.tell(story)


def test_two_evaluators_restate_a_window_at_once(case: StoreCase) -> None:
    async def story(one: Store, two: Store) -> None:
        task_id = await with_task(one, case.make)
        windows = [case.make.window(task_id, 0, rows=rows) for rows in range(1, 7)]
        revisions = await asyncio.gather(
            *(store.save_window(each) for store, each in zip([one, two] * 3, windows, strict=True))
        )
        assert sorted(revisions) == [1, 2, 3, 4, 5, 6]

    case.tell_of_two(story)


def test_repeated_idempotency_key_gets_the_first_answer(case: StoreCase) -> None:
    async def story(store: Store) -> None:
        task_id, other = await with_task(store, case.make), await with_task(store, case.make)
        first = IdempotentAnswer(b"k" * 32, b"b" * 32, b"first answer")
        again = IdempotentAnswer(b"k" * 32, b"c" * 32, b"second answer")
        new = IdempotentAnswer(b"n" * 32, b"b" * 32, b"new answer")
        assert await store.reserve(task_id, [first], 10) == {}
        assert await store.reserve(task_id, [again, new], 20) == {first.key_hash: first}
        assert await store.reserve(task_id, [new], 30) == {new.key_hash: new}
        assert await store.reserve(other, [again], 40) == {}
        assert await store.reserve(task_id, [], 50) == {}

    case.tell(story)


def test_key_that_comes_twice_in_one_call_keeps_and_returns_the_first(case: StoreCase) -> None:
    async def story(store: Store) -> None:
        task_id = await with_task(store, case.make)
        first = IdempotentAnswer(b"k" * 32, b"b" * 32, b"first answer")
        second = IdempotentAnswer(b"k" * 32, b"b" * 32, b"second answer")
        assert await store.reserve(task_id, [first, second], 10) == {first.key_hash: first}

    case.tell(story)


def test_two_replicas_reserve_the_same_key_and_agree(case: StoreCase) -> None:
    async def story(one: Store, two: Store) -> None:
        task_id = await with_task(one, case.make)
        answers = [IdempotentAnswer(b"k" * 32, b"b" * 32, name) for name in (b"one", b"two")]
        earlier = await asyncio.gather(one.reserve(task_id, answers[:1], 1), two.reserve(task_id, answers[1:], 1))
        winner = answers[[not each for each in earlier].index(True)]
        assert sorted(map(len, earlier)) == [0, 1]
        assert {**earlier[0], **earlier[1]} == {winner.key_hash: winner}

    case.tell_of_two(story)


def test_old_idempotency_keys_are_forgotten(case: StoreCase) -> None:
    async def story(store: Store) -> None:
        task_id = await with_task(store, case.make)
        await store.forget_idempotency(2**62)
        old, young = (IdempotentAnswer(name * 32, b"b" * 32, b"answer") for name in (b"o", b"y"))
        await store.reserve(task_id, [old], 10)
        await store.reserve(task_id, [young], 20)
        assert await store.forget_idempotency(20) == 1
        assert await store.reserve(task_id, [old, young], 30) == {young.key_hash: young}

    case.tell(story)


def test_deleted_task_leaves_nothing_and_its_name_is_free(case: StoreCase) -> None:
    async def story(store: Store) -> None:
        task, other = case.make.task(), await with_task(store, case.make)
        answer = IdempotentAnswer(b"k" * 32, b"b" * 32, b"answer")
        event, others = case.make.judged(task.task_id), case.make.judged(other)
        await store.create(task, Policy())
        await store.record([event, others])
        await store.record_verdicts(task.task_id, case.make.verdict_rows(event), {})
        await store.add_labels(task.task_id, event.prediction_ids, [b"l"] * 3, [1] * 3, [True] * 3, "api")
        await store.save_window(case.make.window(task.task_id))
        await store.reserve(task.task_id, [answer], 10)
        await store.delete(task.task_id)
        await store.delete(task.task_id)
        assert await store.record([event]) == 0
        await store.create(task, Policy())
        assert await store.counts(task.task_id) == Counts(0, 0, 0)
        assert await store.judged(task.task_id, event.prediction_ids) == {}
        assert await store.verify_chain(task.task_id) == 0
        assert await store.windows(task.task_id) == []
        assert await store.reserve(task.task_id, [answer], 20) == {}
        assert await store.counts(other) == Counts(3, 0, 0)

    case.tell(story)


def test_store_that_answers_is_ready(case: StoreCase) -> None:
    async def story(store: Store) -> None:
        await store.ready()

    case.tell(story)
