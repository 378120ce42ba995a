"""Judged by what holds now, and never by itself sent again what was taken back: the last two steps, on doubles."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

import msgspec
import pandas
import pytest

from dissonance.contracts.events import UpdateJudged
from dissonance.contracts.schema import Task
from dissonance.contracts.topics import EventKind
from dissonance.contracts.updates import RolloutPhase
from dissonance.contracts.verdicts import UpdateVerdict
from dissonance.errors import GateRefused
from dissonance.errors_of_updates import JudgementOutdated
from dissonance.pipeline.flow.bench import Bench
from dissonance.pipeline.flow.run import STEPS
from dissonance.pipeline.flow.step import run_step
from dissonance.pipeline.flow.work import Work
from dissonance.pipeline.golden import refresh_golden
from dissonance.pipeline.promotion import promote
from dissonance.pipeline.retrain import retrain
from dissonance.pipeline.taking_back import rollback
from dissonance.pipeline.verifying import verify_decisions
from dissonance.ports.registry import ModelRole
from dissonance.ports.rollouts import Rollout
from dissonance.ports.steps import Done, RunRequest, StepName
from support.distributions import labelled_rows
from support.flow import TableSource, bench, record, request, run, with_policy
from support.updates import step_of
from support.workshop import Workshop, add_experience, frame, published, small_task, write

BY_HAND = "dissonance models promote small --version"


def new_rows(n: int = 80, seed: int = 5, who: str = "new") -> pandas.DataFrame:
    return frame(n, seed=seed).assign(person=[f"{who}-{row // 2}" for row in range(n)])


def served(**limits: float) -> tuple[Workshop, Task]:
    """A gate that lets a candidate of few rows pass, and a task that cools off only where a test says so."""
    work, task = small_task(600)
    loose = {"golden_drop_max": 0.3, "calibration_rise_max": 0.3, "slice_drop_max": 0.5, "cooling_off_s": 0}
    with_policy(work, task, **(loose | limits))
    return work, task


def judged(work: Workshop, task: Task) -> list[UpdateJudged]:
    """Newest first."""
    return asyncio.run(work.store.updates(task.task_id))


def latest(work: Workshop, task: Task) -> Rollout:
    found = asyncio.run(work.store.rollout(task.task_id))
    assert found is not None
    return found


def step_to(work: Workshop, task: Task, phase: RolloutPhase, reason: str = "a test") -> None:
    """The gate's own next step."""
    before = latest(work, task)
    after = msgspec.structs.replace(before, phase=phase, by="gate", reason=reason, revision=before.revision + 1)
    assert asyncio.run(work.store.save_rollout(after, step_of(after)))


def learn(work: Workshop, task: Task, n: int = 40, seed: int = 9, who: str = "answered") -> None:
    features, classes = labelled_rows(n, seed)
    people = [f"{who}-{row}" for row in range(n)]
    asyncio.run(add_experience(work, task, features, [int(label) for label in classes], people))


def versions(work: Workshop, task: Task) -> list[int]:
    return [each.version for each in work.registry.versions(task.task_id, ModelRole.PROPOSER)]


def states(done: dict[StepName, Done]) -> tuple[str, str]:
    """Of gate and rollout."""
    return done[StepName.GATE].state, done[StepName.ROLLOUT].state


@pytest.mark.parametrize("resumed", [True, False])
def test_stricter_policy_is_judged_by_anew_and_refuses_what_the_one_before_accepted(
    tmp_path: Path, resumed: bool
) -> None:
    work, task = served()
    at = bench(work, tmp_path, TableSource(new_rows()))
    asked = request(at, task)
    run(at, task, asked)
    asyncio.run(rollback(work, task.name, by="ann"))
    with_policy(work, task, model_bytes_max=1)
    for _ in range(2):
        with pytest.raises(GateRefused, match="SizeWithin"):
            run(at, task, asked if resumed else None)
    assert [each.verdict for each in judged(work, task)] == [UpdateVerdict.REFUSED, UpdateVerdict.ACCEPTED]
    assert versions(work, task) == [2, 1]
    assert latest(work, task).phase is RolloutPhase.ABANDONED
    told = asyncio.run(published(work, EventKind.CANDIDATE_REGISTERED))
    assert len(told) == 1, "told again, the gate's role would go by the judgement of before"
    assert asyncio.run(verify_decisions(work, task.name)).broken is None


def test_looser_policy_is_judged_by_anew_and_sends_what_was_refused_before(tmp_path: Path) -> None:
    work, task = served(model_bytes_max=1)
    at = bench(work, tmp_path, TableSource(new_rows()))
    asked = request(at, task)
    with pytest.raises(GateRefused, match="SizeWithin"):
        run(at, task, asked)
    with_policy(work, task, model_bytes_max=2**30)
    done = run(at, task, asked)
    assert states(done) == ("done", "done")
    assert latest(work, task).phase is RolloutPhase.CANARY
    assert versions(work, task) == [2, 1]


def test_fresh_golden_rows_are_judged_on_anew(tmp_path: Path) -> None:
    work, task = served()
    at = bench(work, tmp_path, TableSource(new_rows()))
    asked = request(at, task)
    run(at, task, asked)
    rows = write(tmp_path, new_rows(400, seed=21, who="fresh"), "golden.parquet")
    asyncio.run(refresh_golden(work, task.name, rows, by="ann"))
    again = run(at, task, asked)
    assert states(again) == ("done", "done before")
    assert len(judged(work, task)) == 2
    assert states(run(at, task, asked)) == ("done before", "done before")


def test_another_version_in_production_is_judged_against_anew(tmp_path: Path) -> None:
    work, task = served()
    at = bench(work, tmp_path, TableSource(new_rows()))
    asked = request(at, task)
    run(at, task, asked)
    asyncio.run(rollback(work, task.name, by="ann"))
    learn(work, task)
    asyncio.run(retrain(work, task.name))
    asyncio.run(promote(work, task.name, 3, by="ann", override="a test"))
    assert states(run(at, task, asked)) == ("done", "passed over")
    assert [each.version for each in judged(work, task)] == [2, 3, 2]


def test_judgement_whose_step_was_cut_before_its_record_is_found_and_not_made_twice(tmp_path: Path) -> None:
    work, task = served()
    at = bench(work, tmp_path, TableSource(new_rows()))
    asked = request(at, task)
    first = record(run(at, task, asked), StepName.GATE)
    (Path(at.task_folder(task.task_id)) / "steps" / f"gate-{first.key}.json").unlink()
    assert record(run(at, task, asked), StepName.GATE).numbers == first.numbers
    assert len(judged(work, task)) == 1


def test_policy_that_changes_between_gate_and_rollout_sends_nothing(tmp_path: Path) -> None:
    work, task = served()
    at = bench(work, tmp_path, TableSource(new_rows()))
    asked = request(at, task)

    async def with_a_change() -> None:
        steps = Work(at, task, asked)
        for step in STEPS[:-1]:
            await run_step(steps, step)
        policy = await work.store.policy(task.task_id)
        stricter = msgspec.structs.replace(policy, version=policy.version + 1, model_bytes_max=1)
        await work.store.set_policy(task.task_id, stricter, reason="a test", by="a test")
        await run_step(steps, STEPS[-1])

    with pytest.raises(JudgementOutdated, match=r"changed after the gate had judged.*pipeline run small --resume"):
        asyncio.run(with_a_change())
    assert asyncio.run(work.store.rollout(task.task_id)) is None
    with pytest.raises(GateRefused, match="SizeWithin"):
        run(at, task, asked)


def ended(work: Workshop, task: Task, how: str, at: Bench) -> RunRequest:
    """A run whose candidate went live, and no more."""
    asked = request(at, task)
    run(at, task, asked)
    if how == "worse":
        step_to(work, task, RolloutPhase.ABANDONED, "-0.2 accuracy: worse")
    else:
        asyncio.run(rollback(work, task.name, by="ann", reason="complaints"))
    return asked


@pytest.mark.parametrize(
    ("how", "share", "told"),
    [
        ("by hand", 0.5, "the canary of version 2 of task small was ended by ann .*: complaints"),
        ("worse", 0.5, "the canary of version 2 of task small was ended by the gate .*: -0.2 accuracy: worse"),
        ("by hand", 0.0, "version 2 of task small was rolled back by ann .*: complaints"),
    ],
)
@pytest.mark.parametrize("resumed", [True, False])
def test_version_that_was_taken_back_is_not_sent_again_and_the_run_says_who_did_and_how_to(
    tmp_path: Path, how: str, share: float, told: str, resumed: bool
) -> None:
    work, task = served(canary_share=share)
    at = bench(work, tmp_path, TableSource(new_rows()))
    asked = ended(work, task, how, at)
    before = latest(work, task)
    again = run(at, task, asked if resumed else None)
    assert states(again) == ("done before", "passed over")
    (why,) = record(again, StepName.ROLLOUT).findings
    assert re.match(told, why)
    assert f"{BY_HAND} 2" in why
    assert latest(work, task) == before
    assert versions(work, task) == [2, 1]


def test_version_that_was_taken_back_is_not_sent_on_another_judgement_either_but_by_a_person(tmp_path: Path) -> None:
    work, task = served()
    at = bench(work, tmp_path, TableSource(new_rows()))
    asked = ended(work, task, "by hand", at)
    with_policy(work, task, golden_drop_max=0.4)
    assert states(run(at, task, asked)) == ("done", "passed over")
    asyncio.run(promote(work, task.name, 2, by="ann"))
    by_hand = run(at, task, asked)
    assert states(by_hand) == ("done before", "done before")
    assert record(by_hand, StepName.ROLLOUT).numbers["phase"] == RolloutPhase.ARMED


def test_another_candidate_waits_while_the_task_cools_off_and_the_same_run_sends_it_later(tmp_path: Path) -> None:
    work, task = served(canary_share=0.0, cooling_off_s=1_000)
    ended(work, task, "by hand", bench(work, tmp_path, TableSource(new_rows())))
    at = bench(work, tmp_path, TableSource(new_rows(seed=6)))
    asked = request(at, task)
    waits = run(at, task, asked)
    assert states(waits) == ("done", "passed over")
    (why,) = record(waits, StepName.ROLLOUT).findings
    assert "cools off until" in why and "16 minutes 40 seconds after version 2 was rolled back" in why
    assert f"{BY_HAND} 3" in why
    work.clock.advance(1_001.0)
    learn(work, task)
    later = run(at, task, asked)
    assert states(later) == ("done before", "done")
    assert record(later, StepName.ROLLOUT).numbers["phase"] == RolloutPhase.ARMED


def test_rollout_that_goes_on_is_told_as_it_is_now_and_begun_once(tmp_path: Path) -> None:
    work, task = served()
    at = bench(work, tmp_path, TableSource(new_rows()))
    asked = request(at, task)
    run(at, task, asked)
    for phase, told in ((RolloutPhase.ARMED, RolloutPhase.ARMED), (RolloutPhase.SETTLED, "in production")):
        step_to(work, task, phase)
        again = run(at, task, asked)
        assert states(again) == ("done before", "done before")
        assert record(again, StepName.ROLLOUT).numbers["phase"] == told
    assert len(asyncio.run(work.store.rollouts(task.task_id))) == 1
    assert len(judged(work, task)) == 1
