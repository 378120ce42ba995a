"""All steps on doubles: what is done once, what is the same again, what is never half-done."""

from __future__ import annotations

import asyncio
from pathlib import Path

import msgspec
import numpy as np
import pandas
import pytest

from dissonance.contracts.events import CandidateRegistered, UpdateJudged
from dissonance.contracts.schema import Task
from dissonance.contracts.topics import EventKind
from dissonance.contracts.updates import RolloutPhase
from dissonance.errors import (
    EngineUnavailable,
    GateRefused,
    InputError,
    ModelNotRenewable,
    PipelineBusy,
    RowsRefused,
)
from dissonance.pipeline.adopting import register_file
from dissonance.pipeline.flow.records import Records
from dissonance.pipeline.flow.run import STEPS, Wish, request_of, run_all
from dissonance.ports.registry import ModelRole
from dissonance.ports.steps import Done, StepName
from support.distributions import labelled_rows
from support.flow import TableSource, bench, record, request, run, run_until, with_policy
from support.onnx_files import linear_classifier
from support.updates import step_of
from support.workshop import Workshop, add_experience, frame, published, small_task


def new_rows(n: int = 300, seed: int = 5) -> pandas.DataFrame:
    return frame(n, seed=seed).assign(person=[f"new-{row // 2}" for row in range(n)])


def served() -> tuple[Workshop, Task]:
    """A gate that lets a candidate of few rows pass, unless a test makes it strict."""
    work, task = small_task(600)
    with_policy(work, task, golden_drop_max=0.3, calibration_rise_max=0.3, slice_drop_max=0.5)
    return work, task


def learn(work: Workshop, task: Task, n: int = 40, seed: int = 9, who: str = "answered") -> None:
    features, classes = labelled_rows(n, seed)
    labels = [int(label) for label in classes]
    asyncio.run(add_experience(work, task, features, labels, [f"{who}-{row}" for row in range(n)]))


def versions(work: Workshop, task: Task) -> list[int]:
    return [each.version for each in work.registry.versions(task.task_id, ModelRole.PROPOSER)]


def test_run_ends_with_a_judged_candidate_on_its_canary_and_says_so_on_the_bus(tmp_path: Path) -> None:
    work, task = served()
    done = run(bench(work, tmp_path, TableSource(new_rows())), task)
    assert list(done) == [step.name for step in STEPS]
    assert record(done, StepName.SNAPSHOT).numbers["source_rows"] == 300
    assert record(done, StepName.ROLLOUT).numbers["phase"] == RolloutPhase.CANARY
    (registered,) = asyncio.run(published(work, EventKind.CANDIDATE_REGISTERED))
    (judged,) = asyncio.run(published(work, EventKind.UPDATE_JUDGED))
    assert isinstance(registered, CandidateRegistered) and isinstance(judged, UpdateJudged)
    assert registered.version == judged.version == 2
    rollout = asyncio.run(work.store.rollout(task.task_id))
    assert rollout is not None and rollout.version == 2


def test_model_that_nothing_here_can_make_again_is_not_trained_and_no_candidate_comes_of_it(tmp_path: Path) -> None:
    work, task = served()
    file = tmp_path / "elsewhere.onnx"
    file.write_bytes(linear_classifier(np.ones((3, 2)), [0.0, 0.0]))
    asyncio.run(register_file(work, task.name, file))
    for role in ModelRole:
        work.registry.promote(work.registry.version(task.task_id, role, 2))
    at = bench(work, tmp_path, TableSource(new_rows()))
    for _ in range(2):
        with pytest.raises(ModelNotRenewable, match="registered from a file"):
            run(at, task)
    assert versions(work, task) == [2, 1]
    assert asyncio.run(published(work, EventKind.CANDIDATE_REGISTERED)) == []


def test_same_request_again_does_nothing_again(tmp_path: Path) -> None:
    work, task = served()
    at = bench(work, tmp_path, TableSource(new_rows()))
    asked = request(at, task)
    first, second = run(at, task, asked), run(at, task, asked)
    assert [each.reused for each in first.values()] == [False] * len(STEPS)
    assert [each.reused for each in second.values()] == [True] * len(STEPS)
    assert versions(work, task) == [2, 1]


def test_same_snapshot_and_seed_give_the_same_model_in_another_folder_and_another_run(tmp_path: Path) -> None:
    rows = new_rows()
    folders = [tmp_path / name for name in ("one", "two")]
    found = []
    for folder, source in zip(folders, (rows, rows.sample(frac=1.0, random_state=3)), strict=True):
        folder.mkdir()
        work, task = served()
        work.clock.advance(1_000.0 if folder is folders[1] else 1.0)
        found.append(run_until(bench(work, folder, TableSource(source)), task, StepName.REGISTER))
    for step in (StepName.SNAPSHOT, StepName.TRAIN):
        assert record(found[0], step).digest == record(found[1], step).digest
    assert record(found[0], StepName.REGISTER).digest != record(found[1], StepName.REGISTER).digest  # says when


def test_other_rows_another_seed_or_another_label_make_another_digest(tmp_path: Path) -> None:
    work, task = served()
    rows = new_rows(100)
    turned = rows.assign(label=["yes" if label == "no" else "no" for label in rows["label"]])
    digests = {
        record(
            run_until(bench(work, tmp_path, TableSource(source)), task, StepName.TRAIN, seed=seed), StepName.TRAIN
        ).digest
        for source, seed in ((rows, 0), (rows, 1), (turned, 0), (rows.head(99), 0))
    }
    assert len(digests) == 4


@pytest.mark.parametrize("after", [step.name for step in STEPS[:-1]])
def test_run_that_was_cut_between_steps_goes_on_and_makes_one_candidate(tmp_path: Path, after: StepName) -> None:
    work, task = served()
    at = bench(work, tmp_path, TableSource(new_rows(80)))
    asked = request(at, task)

    class Cut(BaseException):
        """As a signal ends a process."""

    def cut(done: Done) -> None:
        if done.record.step is after:
            raise Cut

    with pytest.raises(Cut):
        asyncio.run(run_all(at, task, asked, told=cut))
    done = run(at, task, Records(at.files, at.task_folder(task.task_id)).latest())
    names = list(done)
    assert [each.reused for each in done.values()] == [names.index(step) <= names.index(after) for step in names]
    assert versions(work, task) == [2, 1]


def test_registry_that_goes_away_between_proposer_and_critic_leaves_no_candidate(tmp_path: Path) -> None:
    work, task = served()
    at = bench(work, tmp_path)
    asked = request(at, task)
    register, calls = work.registry.register, []

    def half(*arguments: object, **options: object) -> object:
        calls.append(arguments[2])
        if arguments[2] is ModelRole.CRITIC:
            raise EngineUnavailable("away", where="registry", fix="wait")
        return register(*arguments, **options)  # type: ignore[arg-type]

    work.registry.register = half  # type: ignore[method-assign,assignment]
    with pytest.raises(EngineUnavailable):
        run(at, task, asked)
    work.registry.register = register  # type: ignore[method-assign]
    done = run(at, task, asked)
    assert done[StepName.TRAIN].reused and not done[StepName.REGISTER].reused
    assert record(done, StepName.REGISTER).numbers["version"] == 3  # a proposer without a critic is no candidate
    assert calls == [ModelRole.PROPOSER, ModelRole.CRITIC]


def test_pair_that_was_registered_before_the_process_ended_is_found_by_its_files(tmp_path: Path) -> None:
    work, task = served()
    at = bench(work, tmp_path)
    asked = request(at, task)
    first = record(run(at, task, asked), StepName.REGISTER)
    (Path(at.task_folder(task.task_id)) / "steps" / f"register-{first.key}.json").unlink()
    again = run(at, task, asked)[StepName.REGISTER]
    assert not again.reused
    assert again.record.digest == first.digest
    assert versions(work, task) == [2, 1]


def test_rows_that_do_not_fit_are_refused_with_column_count_and_remedy_and_stay_refused(tmp_path: Path) -> None:
    work, task = served()
    rows = new_rows(100)
    rows.loc[rows.index[10:13], "kind"] = "z"
    rows.loc[rows.index[50], "first"] = np.inf
    at = bench(work, tmp_path, TableSource(rows))
    asked = request(at, task)
    for _ in range(2):
        with pytest.raises(RowsRefused, match=r"kind: is no category .*3 rows, first in row 10.*map it to one of"):
            run(at, task, asked)
    with pytest.raises(RowsRefused, match=r"first: is infinite \(1 row, first in row 50\): make it missing or finite"):
        run(at, task, asked)
    assert not (Path(at.task_folder(task.task_id)) / "snapshots").exists()


def test_drift_is_told_and_refuses_only_where_a_limit_is_given(tmp_path: Path) -> None:
    work, task = served()
    rows = new_rows(200)
    at = bench(work, tmp_path, TableSource(rows.assign(first=rows["first"] + 4.0)))
    numbers = record(run_until(at, task, StepName.VALIDATE), StepName.VALIDATE).numbers
    assert float(numbers["drift_auc"] or 0) > 0.9
    assert float(numbers["drift_first"] or 0) > 10 * float(numbers["drift_second"] or 0)
    with pytest.raises(RowsRefused, match=r"AUC of 0\.9.*farthest are first .*--max-drift"):
        run(at, task, drift_max=0.6)


def test_candidate_that_the_gate_refuses_is_on_record_and_never_rolled_out(tmp_path: Path) -> None:
    work, task = served()
    with_policy(work, task, golden_drop_max=0.0, calibration_rise_max=0.0, slice_drop_max=0.0, KL_eps=2.0)
    rows = new_rows(600)
    turned = rows.assign(label=["yes" if label == "no" else "no" for label in rows["label"]])
    at = bench(work, tmp_path, TableSource(turned))
    asked = request(at, task)
    for _ in range(2):
        with pytest.raises(GateRefused, match="GoldenNonInferiority"):
            run(at, task, asked)
    assert [update.version for update in asyncio.run(work.store.updates(task.task_id))] == [2]
    assert asyncio.run(work.store.rollout(task.task_id)) is None


def test_candidate_waits_while_another_is_rolled_out_and_the_same_run_sends_it_later(tmp_path: Path) -> None:
    work, task = served()
    run(bench(work, tmp_path), task)
    work.clock.advance(1.0)
    learn(work, task)
    at = bench(work, tmp_path)
    asked = request(at, task)
    assert record(run(at, task, asked), StepName.ROLLOUT).numbers["phase"] == "passed over"
    rollout = asyncio.run(work.store.rollout(task.task_id))
    assert rollout is not None
    ended = msgspec.structs.replace(rollout, phase=RolloutPhase.ABANDONED, revision=rollout.revision + 1)
    assert asyncio.run(work.store.save_rollout(ended, step_of(ended)))
    assert record(run(at, task, asked), StepName.ROLLOUT).numbers["phase"] == RolloutPhase.CANARY


def test_as_of_a_time_only_what_was_known_then_is_learnt(tmp_path: Path) -> None:
    work, task = served()
    learn(work, task, 30, who="early")
    then_us = work.clock.now_us()
    work.clock.advance(3_600.0)
    learn(work, task, 50, seed=10, who="late")
    at = bench(work, tmp_path)
    now = run_until(at, task, StepName.SNAPSHOT)
    then = run_until(at, task, StepName.SNAPSHOT, as_of_us=then_us)
    assert record(now, StepName.SNAPSHOT).numbers["experience_rows"] == 80
    assert record(then, StepName.SNAPSHOT).numbers["experience_rows"] == 30
    learn(work, task, 20, seed=11, who="later")
    assert record(run(at, task, as_of_us=then_us), StepName.SNAPSHOT).digest == (record(then, StepName.SNAPSHOT).digest)


@pytest.mark.parametrize("shift_s", [-3_600, 3_600])
def test_as_of_a_time_before_the_task_or_to_come_is_refused(tmp_path: Path, shift_s: int) -> None:
    work, task = served()
    with pytest.raises(InputError, match="not between the creation of the task and now"):
        run(bench(work, tmp_path), task, as_of_us=work.clock.now_us() + shift_s * 1_000_000)


def test_two_processes_do_not_work_on_one_task_at_once(tmp_path: Path) -> None:
    work, task = served()
    at = bench(work, tmp_path)

    async def both() -> None:
        async with work.store.claim(f"pipeline of {task.task_id}"):
            await run_all(at, task, await request_of(at, task, Wish()))

    with pytest.raises(PipelineBusy, match="another process"):
        asyncio.run(both())
    assert run(at, task)


def test_run_of_nothing_begun_cannot_be_resumed(tmp_path: Path) -> None:
    work, task = served()
    at = bench(work, tmp_path)
    with pytest.raises(InputError, match="no run was begun"):
        Records(at.files, at.task_folder(task.task_id)).latest()
