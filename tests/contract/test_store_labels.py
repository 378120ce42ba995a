"""Labels that are corrected, withdrawn or looked at again, and how they are counted."""

from __future__ import annotations

from dissonance.contracts.verdicts import Reason, Verdict
from dissonance.ports.labels import AskedAs, DrawnRows, LabelFigures
from dissonance.ports.rollouts import STEPS_OF_CHANCE, PairedCounts, step_of_chance
from dissonance.ports.store import Store
from support.requests import asked
from support.store import NO_TASK, StoreCase, labels, learnable, with_task

HOUR_US = 3_600_000_000


def test_withdrawn_label_is_gone_and_an_older_one_does_not_bring_it_back(case: StoreCase) -> None:
    async def story(store: Store) -> None:
        task_id = await with_task(store, case.make)
        event = case.make.judged(task_id, 1, event_times_us=[5])
        await store.record([event])
        ids = event.prediction_ids
        await store.add_labels(task_id, labels(ids, [b"l"], [100], [True]))
        assert await store.add_labels(task_id, labels(ids, [b"w"], [200], [None])) == 1
        assert await store.add_labels(task_id, labels(ids, [b"old"], [150], [True])) == 0
        row = (await store.find(task_id, ids))[ids[0]]
        assert (row.label_sealed, row.labelled_at_us, row.right) == (None, None, None)
        assert (await store.counts(task_id)).labelled == 0 == (await store.figures(task_id, 0, 10, 1.0)).labelled
        assert (await learnable(store, task_id)).prediction_ids == []
        assert await store.label_figures(task_id) == LabelFigures(0, 0, 0, 1, None)
        assert await store.add_labels(task_id, labels(ids, [b"again"], [300], [False])) == 1
        assert (await learnable(store, task_id)).labels_sealed == [b"again"]

    case.tell(story)


def test_label_that_waits_for_a_second_look_teaches_nobody_and_counts_nowhere(case: StoreCase) -> None:
    async def story(store: Store) -> None:
        task_id = await with_task(store, case.make)
        event = case.make.judged(task_id, 2, event_times_us=[1, 2])
        blocked = case.make.judged(task_id, 1, verdict=Verdict.BLOCKED, reason=Reason.RANGE)
        await store.record([event, blocked])
        ids = [*event.prediction_ids, *blocked.prediction_ids]
        await store.add_labels(
            task_id, labels(ids, [b"a", b"b", b"c"], [7, 8, 9], [True] * 3, learnable=[False, True, True])
        )
        assert (await learnable(store, task_id)).labels_sealed == [b"b"]
        assert (await store.find(task_id, ids))[ids[0]].label_sealed == b"a"
        assert (await store.figures(task_id, 0, 3, 1.0)).labelled == 1
        assert await store.label_figures(task_id) == LabelFigures(3, 1, 1, 0, 9)
        await store.add_labels(task_id, labels(ids[:1], [b"sure"], [20], [False]))
        assert await store.label_figures(task_id) == LabelFigures(3, 2, 0, 0, 20)

    case.tell(story)


def test_figures_of_the_random_check_count_what_both_got_wrong(case: StoreCase) -> None:
    async def story(store: Store) -> None:
        task_id = await with_task(store, case.make)
        event = case.make.judged(task_id, 4, event_times_us=[10, 11, 12, 13])
        await store.record([event])
        kinds = [AskedAs.RANDOM_CHECK] * 3 + [AskedAs.CHOSEN]
        await store.ask(task_id, [asked(event, i, kind) for i, kind in enumerate(kinds)])
        await store.add_labels(
            task_id,
            labels(
                event.prediction_ids,
                [b"l"] * 4,
                [110, 111, 112, 113],
                [True, False, False, False],
                critic_right=[True, False, True, False],
            ),
        )
        figures = await store.figures(task_id, 0, 20, 1.0)
        assert (figures.random_labelled, figures.random_right, figures.random_both_wrong) == (3, 1, 1)
        assert figures.sum_delay_us == 400.0

    case.tell(story)


def test_drawn_rows_have_their_chances_and_only_labels_that_count(case: StoreCase) -> None:
    async def story(store: Store) -> None:
        task_id = await with_task(store, case.make)
        event = case.make.judged(task_id, 6, event_times_us=[15, 10, 11, 12, 13, 14])
        await store.record([event, case.make.judged(task_id, 1, reason=Reason.ERASED, event_times_us=[12])])
        kinds = [AskedAs.RANDOM_CHECK, AskedAs.CHOSEN, AskedAs.CHOSEN, AskedAs.CHOSEN, AskedAs.BY_HAND]
        await store.ask(task_id, [asked(event, i, kind) for i, kind in enumerate(kinds)])
        await store.ask(task_id, [asked(event, 2, AskedAs.SECOND_LOOK, request_id=case.make.ids.next())])
        await store.add_labels(
            task_id,
            labels(
                event.prediction_ids,
                [b"l"] * 6,
                [101, 102, 103, 104, 105, 106],
                [True, False, False, None, True, True],
                learnable=[True, True, False, True, True, True],
            ),
        )
        drawn = await store.drawn_rows(task_id, 0, 16, 10)
        assert drawn == DrawnRows(
            event_times_us=[10, 11, 12, 13, 14, 15],
            confidences=[event.confidences[i] for i in (1, 2, 3, 4, 5, 0)],
            propensities=[0.5, 0.5, 0.5, None, None, 0.5],
            labelled_at_us=[102, None, None, None, None, 101],
            right=[False, None, None, None, None, True],
        ), "the second waits for another look, the third was withdrawn, the fourth was asked by hand, the fifth never"
        assert (await store.drawn_rows(task_id, 0, 15, 2)).event_times_us == [13, 14]
        assert (await store.drawn_rows(NO_TASK, 0, 16, 10)).event_times_us == []

    case.tell(story)


def test_prediction_of_a_data_subject_is_the_latest_before_the_time_of_its_label(case: StoreCase) -> None:
    async def story(store: Store) -> None:
        task_id, other = await with_task(store, case.make), await with_task(store, case.make)
        one, two = case.make.randomness.token(16), case.make.randomness.token(16)
        event = case.make.judged(task_id, 3, event_times_us=[100, 200, 300], data_subjects=[one, one, two])
        elsewhere = case.make.judged(other, 1, event_times_us=[250], data_subjects=[one])
        await store.record([event, elsewhere])
        first, second, third = event.prediction_ids
        found = await store.predictions_of(task_id, [one, one, one, two, two], [150, 260, 90, 300, 999], 100)
        assert found == [first, second, None, third, None]
        assert await store.predictions_of(task_id, [], [], 100) == []

    case.tell(story)


def test_paired_counts_are_of_the_models_that_are_named(case: StoreCase) -> None:
    async def story(store: Store) -> None:
        task_id = await with_task(store, case.make)
        event = case.make.judged(task_id, 5, event_times_us=[1, 2, 3, 4, 5], shadow_digest="0d" * 32)
        await store.record([event])
        await store.add_labels(
            task_id,
            labels(
                event.prediction_ids,
                [b"l"] * 5,
                [9] * 5,
                [True, True, False, False, True],
                shadow_right=[True, False, True, False, None],
            ),
        )
        model, shadow = event.model_digest, "0d" * 32
        assert await store.paired_counts(task_id, model, shadow, 0) == PairedCounts(1, 1, 1, 1)
        assert await store.paired_counts(task_id, model, shadow, 3) == PairedCounts(0, 0, 1, 1)
        assert await store.paired_counts(task_id, shadow, model, 0) == PairedCounts(0, 0, 0, 0)
        row = (await store.find(task_id, event.prediction_ids))[event.prediction_ids[0]]
        assert (row.shadow_digest, row.canary_arm) == (shadow, "production")

    case.tell(story)


def test_paired_counts_weigh_labels_by_the_chance_that_they_were_asked_for_with(case: StoreCase) -> None:
    async def story(store: Store) -> None:
        task_id = await with_task(store, case.make)
        shadow = "0d" * 32
        event = case.make.judged(task_id, 6, event_times_us=[1, 2, 3, 4, 5, 6], shadow_digest=shadow)
        await store.record([event])
        chances = [1.0, 1.0, 0.03, 0.03]
        await store.ask(task_id, [asked(event, i, AskedAs.CHOSEN, propensity=p) for i, p in enumerate(chances)])
        await store.ask(task_id, [asked(event, 4, AskedAs.BY_HAND, propensity=0.0)])
        await store.ask(task_id, [asked(event, 0, AskedAs.SECOND_LOOK, request_id=case.make.ids.next())])
        right, shadow_right = [True, True, True, False, False, True], [False, True, False, True, True, True]
        answers = labels(event.prediction_ids, [b"l"] * 6, [9] * 6, right, shadow_right=shadow_right)
        await store.add_labels(task_id, answers)
        found = await store.paired_counts(task_id, event.model_digest, shadow, 0)
        assert found == PairedCounts(2, 2, 2, 0, found.weighed)
        assert [(each.gained, each.lost, each.same) for each in found.weighed] == [(1, 0, 1), (1, 2, 1)]
        assert [each.weight for each in found.weighed] == [2.0 ** (step_of_chance(0.03) / STEPS_OF_CHANCE), 1.0]
        later = await store.paired_counts(task_id, event.model_digest, shadow, 3)
        assert later == PairedCounts(1, 1, 2, 0), "the chances of those that are left are alike"

    case.tell(story)


def test_rows_of_a_data_subject_are_counted_by_hour_of_event_time(case: StoreCase) -> None:
    async def story(store: Store) -> None:
        task_id = await with_task(store, case.make)
        one, two = case.make.randomness.token(16), case.make.randomness.token(16)
        event = case.make.judged(
            task_id, 4, event_times_us=[0, HOUR_US - 1, HOUR_US, 3 * HOUR_US], data_subjects=[one, one, one, two]
        )
        await store.record([event])
        assert await store.rows_per_hour(task_id, [one, two], [0, 1]) == {(one, 0): 2, (one, 1): 1}
        assert await store.rows_per_hour(task_id, [], [0]) == {} == await store.rows_per_hour(NO_TASK, [one], [0])
        assert await store.nth_event_time_us(task_id, 1, 2) == HOUR_US
        assert await store.nth_event_time_us(task_id, 1, 4) is None

    case.tell(story)
