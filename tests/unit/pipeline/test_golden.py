"""A worn golden holdout is replaced by rows that taught nobody; the old one is retired, and the chain proves both."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pandas
import pytest

from dissonance.contracts.evidence import DecisionKind
from dissonance.contracts.schema import Task
from dissonance.decisions.evidence.chain import Fault
from dissonance.errors import InvalidDataFile, UnknownClass, UnseenCategory
from dissonance.pipeline.create_task import Columns
from dissonance.pipeline.golden import RefreshedGolden, refresh_golden
from dissonance.pipeline.promotion import promote
from dissonance.pipeline.reference import open_reference
from dissonance.pipeline.retrain import retrain
from dissonance.pipeline.taking_back import rollback
from dissonance.pipeline.verifying import verify_decisions
from dissonance.ports.store import Split
from support.distributions import labelled_rows
from support.workshop import Workshop, add_experience, create, frame, small_task, workshop, write

NAMED = 600


def others(n: int = 120, seed: int = 3, who: str = "new") -> pandas.DataFrame:
    data = frame(n, seed)
    return data.assign(person=[f"{who}-{number}" for number in range(n)])


def refresh(work: Workshop, folder: Path, data: pandas.DataFrame) -> RefreshedGolden:
    work.clock.advance(1)
    return asyncio.run(refresh_golden(work, "small", write(folder, data, "fresh.parquet"), by="ann", reason="worn"))


def rows(work: Workshop, task: Task, split: Split) -> int:
    return len(asyncio.run(work.store.reference(task.task_id, split)).row_numbers)


def test_new_rows_are_golden_and_the_old_ones_retired_by_a_decision_that_holds(tmp_path: Path) -> None:
    work, task = small_task(NAMED)
    before = rows(work, task, Split.GOLDEN)
    done = refresh(work, tmp_path, others())
    assert (done.rows, done.retired, done.left_out) == (120, before, 0)
    assert (rows(work, task, Split.GOLDEN), rows(work, task, Split.RETIRED)) == (120, before)
    opened = asyncio.run(open_reference(work, task, Split.GOLDEN))
    assert sorted(opened.rows.classes.tolist()) == sorted((others()["label"] == "yes").astype(int))
    (kept,) = asyncio.run(work.store.decisions_named(task.task_id, done.decision_id))
    assert (kept.decision.kind, kept.decision.version) == (DecisionKind.HOLDOUT_REFRESHED, 1)
    assert asyncio.run(verify_decisions(work, "small")).broken is None


def test_nobody_that_a_model_was_made_of_or_judged_on_gets_in(tmp_path: Path) -> None:
    work, task = small_task(NAMED)
    features, classes = labelled_rows(40, 9)
    people = [f"met-{number}" for number in range(40)]
    asyncio.run(add_experience(work, task, features, classes.tolist(), people))
    data = pandas.concat([frame(NAMED), others(40, 4, "met"), others()])
    assert refresh(work, tmp_path, data).left_out == NAMED + 40
    again = refresh(work, tmp_path, pandas.concat([others(), others(60, 5, "third")]))
    assert (again.rows, again.left_out) == (60, 120)
    assert asyncio.run(verify_decisions(work, "small")).broken is None


def test_whoever_was_erased_does_not_come_back(tmp_path: Path) -> None:
    work, task = small_task(NAMED)
    gone = [work.keys.data_subject_hash(task.task_id, f"new-{number}") for number in range(3)]
    asyncio.run(work.keys.obtain(task.task_id, gone))
    asyncio.run(work.keys.destroy(task.task_id, gone))
    assert refresh(work, tmp_path, others()).rows == 117


def test_where_rows_are_about_nobody_known_those_that_the_system_has_are_left_out(tmp_path: Path) -> None:
    work = workshop()
    known = frame(NAMED).drop(columns="person")
    create(work, write(tmp_path, known), columns=Columns("label"))
    done = refresh(work, tmp_path, pandas.concat([known, others().drop(columns="person")]))
    assert (done.rows, done.left_out) == (120, NAMED)


def test_the_next_candidate_is_judged_on_the_new_rows_as_at_a_first_look_and_learns_from_no_old_ones(
    tmp_path: Path,
) -> None:
    work, task = small_task(NAMED)
    features, classes = labelled_rows(40, 9)
    retired = asyncio.run(work.store.golden_data_subjects(task.task_id))
    asyncio.run(add_experience(work, task, features, classes.tolist(), [f"met-{number}" for number in range(40)]))

    async def judged() -> tuple[float, float]:
        await retrain(work, "small", seed=work.clock.now_us() % 1_000)
        done = await promote(work, "small", by="ann", override="a test")
        assert done.judged is not None
        await rollback(work, "small", by="ann")
        found = next(each for each in done.judged.findings if each.rule == "GoldenNonInferiority")
        return found.numbers["looks"], found.numbers["rows"]

    first = asyncio.run(judged())
    assert first[0] == 1
    refresh(work, tmp_path, others())
    work.clock.advance(1)
    assert asyncio.run(judged()) == (1, 120)
    assert retired < asyncio.run(work.store.golden_data_subjects(task.task_id))
    assert asyncio.run(verify_decisions(work, "small")).broken is None


@pytest.mark.parametrize(
    ("change", "error"),
    [
        (lambda data: data.head(5), InvalidDataFile),
        (lambda data: data[data["label"] == "yes"], InvalidDataFile),
        (lambda data: data.drop(columns="first"), InvalidDataFile),
        (lambda data: data.assign(label="perhaps"), UnknownClass),
        (lambda data: data.assign(kind="e"), UnseenCategory),
    ],
)
def test_what_makes_no_holdout_is_refused_and_the_old_one_stays(
    tmp_path: Path, change: Any, error: type[Exception]
) -> None:
    work, task = small_task(NAMED)
    before = rows(work, task, Split.GOLDEN)
    with pytest.raises(error):
        refresh(work, tmp_path, change(others()))
    assert (rows(work, task, Split.GOLDEN), rows(work, task, Split.RETIRED)) == (before, 0)


def test_rows_that_were_exchanged_after_the_refresh_or_the_old_ones_put_back_are_found(tmp_path: Path) -> None:
    work, task = small_task(NAMED)
    refresh(work, tmp_path, others())
    reference = work.store.rows_of(task.task_id).reference
    fresh = dict(reference)
    for number, (split, *rest) in fresh.items():
        swapped = {Split.GOLDEN: Split.RETIRED, Split.RETIRED: Split.GOLDEN}.get(split, split)
        reference[number] = (swapped, *rest)
    broken = asyncio.run(verify_decisions(work, "small")).broken
    assert broken is not None
    assert (broken.fault, broken.link) == (Fault.GOLDEN_ROWS_CHANGED, 2)
