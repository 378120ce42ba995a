"""Every row in one part, every data subject in one part, the same for the same seed."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dissonance.errors import HoldoutLeak, InvalidDataFile
from dissonance.pipeline.splitting import Parts, count_twins, refuse_leak, require_parts, split_rows, splits_of
from dissonance.ports.store import Split


def parts_of(persons: list[int], seed: int, classes: list[int] | None = None) -> Parts:
    target = np.array(classes if classes is not None else [person % 2 for person in persons], dtype=np.int64)
    return split_rows([str(person) for person in persons], target, seed)


@given(st.lists(st.integers(0, 30), min_size=1, max_size=200), st.integers(0, 2**31))
def test_every_row_is_in_one_part_and_so_is_every_person(persons: list[int], seed: int) -> None:
    parts = parts_of(persons, seed)
    assert sorted(row for part in parts for row in part.tolist()) == list(range(len(persons)))
    in_part = [{persons[row] for row in part} for part in parts]
    assert sum(len(each) for each in in_part) == len(set(persons))


def test_parts_have_the_shares_asked_for_and_like_shares_of_each_class() -> None:
    classes = [int(row % 10 == 0) for row in range(4000)]
    parts = parts_of(list(range(4000)), 1, classes)
    assert [len(part) for part in parts] == [2800, 600, 600]
    for part in parts:
        assert np.mean([classes[row] for row in part]) == pytest.approx(0.1, abs=0.002)


def test_the_seed_decides() -> None:
    persons = list(range(500))
    assert parts_of(persons, 5).golden.tolist() == parts_of(persons, 5).golden.tolist()
    assert parts_of(persons, 5).golden.tolist() != parts_of(persons, 6).golden.tolist()


@pytest.mark.parametrize("persons_count", [1, 2, 6])
def test_too_few_persons_to_fill_each_part_are_refused(persons_count: int) -> None:
    persons = [row % persons_count for row in range(400)]
    classes = [row % 2 for row in range(400)]
    with pytest.raises(InvalidDataFile, match="the smallest part has 0 rows"):
        require_parts(parts_of(persons, 0, classes), np.array(classes))


def test_a_class_that_nobody_trains_on_is_refused() -> None:
    parts = Parts(np.arange(20), np.arange(20, 40), np.arange(40, 60))
    classes = np.repeat([0, 1, 2], 20)
    with pytest.raises(InvalidDataFile, match="2 classes have no row to train on"):
        require_parts(parts, classes)
    require_parts(parts, np.arange(60) % 3)


def test_the_part_of_each_row_is_listed_in_order() -> None:
    parts = parts_of(list(range(100)), 1)
    splits = splits_of(parts)
    assert len(splits) == 100
    assert all(splits[row] is Split.GOLDEN for row in parts.golden)
    assert all(splits[row] is Split.TRAIN for row in parts.train)


def test_a_golden_row_among_the_others_is_a_leak() -> None:
    with pytest.raises(HoldoutLeak, match="1 row of the golden holdout, first row 2"):
        refuse_leak([1, 2], frozenset({"a"}), [2, 3], ["b", "c"])


def test_another_row_of_a_golden_person_is_a_leak() -> None:
    with pytest.raises(HoldoutLeak, match="1 data subject of"):
        refuse_leak([1], frozenset({"a"}), [2, 3], ["b", "a"])


def test_equal_rows_of_other_people_are_no_leak_but_are_counted() -> None:
    refuse_leak([1], frozenset({"a"}), [2], ["b"])
    golden = np.array([[1.0, np.nan], [2.0, 3.0], [1.0, np.nan]])
    assert count_twins(golden, np.array([[1.0, np.nan], [5.0, 5.0]])) == 2
