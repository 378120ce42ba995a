"""What `pipeline run` prints and ends with, from what the steps left."""

from __future__ import annotations

import pytest
from rich.console import Console

from dissonance.cli.pipeline import exit_code, run_answer, run_table
from dissonance.ports.steps import Done, RunRequest, StepName, StepRecord

REQUEST = RunRequest(task_id="0" * 32, task_name="census", as_of_us=0, incumbent=1, source="rows.csv")


def done(
    name: StepName,
    /,
    *,
    accepted: bool = True,
    passed_over: bool = False,
    findings: tuple[str, ...] = (),
    **numbers: float | str,
) -> Done:
    record = StepRecord(
        step=name,
        key="a" * 64,
        digest=f"{list(StepName).index(name):064d}",
        numbers=dict(numbers),
        findings=findings,
        accepted=accepted,
        finished_at_us=0,
        task_id=REQUEST.task_id,
    )
    return Done(record, reused=name is StepName.INGEST, passed_over=passed_over)


def test_answer_names_version_snapshot_files_and_phase_and_times_every_step() -> None:
    steps = [
        (done(StepName.INGEST, rows=3), 1.0),
        (done(StepName.SNAPSHOT, rows=30), 3.5),
        (done(StepName.TRAIN, step=0.5), 9.0),
        (done(StepName.REGISTER, version=2.0), 10.0),
        (done(StepName.ROLLOUT, phase="canary"), 12.0),
    ]
    answer = run_answer(REQUEST, None, steps, 13.0)
    assert answer.passed_over is None
    assert [line.state for line in answer.steps] == ["done before", *["done"] * 4]
    assert (answer.version, answer.phase, answer.refused_by) == (2, "canary", None)
    assert (answer.snapshot, answer.model_files_digest) == (f"{2:064d}", f"{3:064d}")
    assert [line.seconds for line in answer.steps] == [1.0, 2.5, 5.5, 1.0, 2.0]
    assert answer.as_of == "1970-01-01T00:00:00.000000Z"


def test_refusal_is_shown_with_its_findings_and_nothing_that_was_not_reached() -> None:
    steps = [
        (done(StepName.INGEST, rows=3), 1.0),
        (done(StepName.VALIDATE, accepted=False, findings=("[x]: why",)), 2.0),
    ]
    answer = run_answer(REQUEST, "validate", steps, 2.0)
    assert (answer.version, answer.snapshot, answer.phase) == (None, None, None)
    console = Console(width=100, record=True, file=None)
    with console.capture() as shown:
        console.print(run_table(answer))
    assert "refused" in shown.get() and "[x]: why" in shown.get() and "done before" in shown.get()


def test_candidate_that_waits_is_told_as_passed_over_with_the_reason_in_table_and_answer() -> None:
    why = "version 2 of task census was rolled back by ann"
    steps = [
        (done(StepName.GATE, verdict="accepted"), 1.0),
        (done(StepName.ROLLOUT, passed_over=True, findings=(why,), phase="passed over"), 2.0),
    ]
    answer = run_answer(REQUEST, None, steps, 2.0)
    assert (answer.passed_over, answer.refused_by) == (why, None)
    assert [(line.state, line.passed_over) for line in answer.steps] == [("done", False), ("passed over", True)]
    console = Console(width=100, record=True, file=None)
    with console.capture() as shown:
        console.print(run_table(answer))
    assert "passed over" in shown.get() and why in shown.get()


@pytest.mark.parametrize(("refused_by", "code"), [(None, 0), ("validate", 3), ("gate", 7)])
def test_exit_code_says_who_refused(refused_by: str | None, code: int) -> None:
    assert exit_code(refused_by) == code
