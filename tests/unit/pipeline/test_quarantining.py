"""Labels of a source against the random check: what is poison teaches nothing, what changed does, the rest waits."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest

from dissonance.pipeline.reference import open_experience
from dissonance.pipeline.retrain import Retrained, retrain
from dissonance.ports.labels import AskedAs, LabelRequest, RequestState
from support.distributions import labelled_rows
from support.workshop import Served, add_experience, small_task

BATCH, CHECK = 400, 150


@pytest.fixture
def served() -> Served:
    return small_task()


def flipped(features: np.ndarray, classes: np.ndarray) -> list[int]:
    """Every label of one category is the other one."""
    return [int(each) for each in np.where(features[:, 2] == 2.0, 1 - classes, classes)]


def given(served: Served, *, poisoned: bool, changed: bool = False, asked: bool = False, check: int = CHECK) -> None:
    """The answers to a random check, and then a batch; `changed`: in both one category's labels are others."""
    features, classes = labelled_rows(BATCH + check, 77)
    wrong = flipped(features, classes)
    people = [f"new-{number}" for number in range(BATCH + check)]
    first = wrong if changed else classes.tolist()
    asyncio.run(add_experience(served.work, served.task, features[:check], first[:check], people[:check]))
    at_random = ids_of(served)
    second = wrong if changed or poisoned else classes.tolist()
    asyncio.run(add_experience(served.work, served.task, features[check:], second[check:], people[check:]))
    answer(served, at_random, AskedAs.RANDOM_CHECK)
    if asked:
        answer(served, ids_of(served) - at_random, AskedAs.CHOSEN)


def ids_of(served: Served) -> set[bytes]:
    return set(asyncio.run(open_experience(served.work, served.task)).provenance.prediction_ids)


def answer(served: Served, ids: set[bytes], asked_as: AskedAs) -> None:
    requests = [
        LabelRequest(
            request_id=each,
            prediction_id=each,
            data_subject=b"",
            asked_as=asked_as,
            propensity=0.5,
            random_propensity=0.1,
            event_time_us=1,
            asked_at_us=1,
        )
        for each in sorted(ids)
    ]
    asyncio.run(served.work.store.ask(served.task.task_id, requests))
    asyncio.run(
        served.work.store.settle(served.task.task_id, [each.request_id for each in requests], RequestState.ANSWERED)
    )


def retrained(served: Served) -> Retrained:
    return asyncio.run(retrain(served.work, "small"))


def test_poison_of_a_source_is_held_back_and_counted(served: Served) -> None:
    given(served, poisoned=True)
    done = retrained(served)
    assert done.numbers["labels_poisoned"] > 60  # a quarter of the batch is in the slice
    assert done.experience_rows + done.numbers["labels_poisoned"] + done.numbers["labels_undecided"] == BATCH + CHECK
    assert done.numbers["labels"] == BATCH + CHECK


def test_a_concept_that_changed_for_the_random_check_too_is_learnt_but_for_few_rows(served: Served) -> None:
    given(served, poisoned=False, changed=True)
    done = retrained(served)
    assert done.experience_rows > BATCH + CHECK - 40  # the slice has more than twice as many


def test_clean_labels_all_teach(served: Served) -> None:
    given(served, poisoned=False)
    assert retrained(served).experience_rows == BATCH + CHECK


def test_without_a_random_check_labels_teach_as_they_come(served: Served) -> None:
    given(served, poisoned=True, check=10)
    assert retrained(served).experience_rows == BATCH + 10


def test_answers_that_were_asked_for_are_a_batch_of_their_own(served: Served) -> None:
    given(served, poisoned=True, asked=True)
    assert retrained(served).numbers["labels_poisoned"] > 60
