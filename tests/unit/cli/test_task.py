"""`dissonance task`: what it reads and what it prints."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

import msgspec
import pytest

import dissonance.pipeline
from dissonance.cli import run
from dissonance.cli.connected import STAGES, stages
from dissonance.cli.task import (
    TaskShown,
    created_answer,
    created_table,
    golden_answer,
    golden_table,
    list_table,
    make_sure,
    shown_table,
    task_line,
)
from dissonance.contracts.policy import Policy
from dissonance.errors import UnknownTask
from dissonance.pipeline.golden import RefreshedGolden
from support.printing import printed
from support.workshop import Workshop, create, frame, small_task, workshop, write


@pytest.fixture
def work() -> Workshop:
    return small_task().work


def test_what_was_created_is_told_whole(tmp_path: Path) -> None:
    created = create(workshop(), write(tmp_path, frame()))
    answer = created_answer(created)
    assert (answer.task, answer.train_rows, answer.critic_rows, answer.golden_rows) == ("small", 700, 150, 150)
    assert answer.golden_accuracy_low < answer.golden_accuracy < answer.golden_accuracy_high
    assert answer.d_target == created.policy.D_target
    text = printed(created_table(answer))
    assert f"{answer.golden_accuracy:.4f}" in text
    assert "700 train, 150 critic, 150 golden" in text


def test_a_fresh_holdout_says_what_is_golden_now_and_what_was_left_out(work: Workshop) -> None:
    task = asyncio.run(work.store.by_name("small"))
    answer = golden_answer(RefreshedGolden(task, 1_200, 150, 30, "ab" * 32))
    assert (answer.task, answer.golden_rows, answer.retired_rows, answer.left_out) == ("small", 1_200, 150, 30)
    text = printed(golden_table(answer))
    for expected in ("1,200, looked at by nobody", "150", "30, known to the system", "abababababab"):
        assert expected in text


def test_tasks_are_listed_and_shown(work: Workshop) -> None:
    task = asyncio.run(work.store.by_name("small"))
    line = task_line(task)
    assert (line.task, line.classes, line.features) == ("small", 2, 3)
    assert task.task_id in printed(list_table([line]))
    shown = TaskShown(task=task, policy=Policy(D_target=0.0625), admitted=5, blocked=2, labelled=1)
    text = printed(shown_table(shown))
    for expected in ("4 categories", "may be missing", "0.0625", "5 admitted, 2 blocked, 1 labelled"):
        assert expected in text


def test_deleting_for_a_program_must_be_confirmed(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["task", "delete", "small", "--json"]) == 3
    assert msgspec.json.decode(capsys.readouterr().out)["where"] == "--yes"


def test_nobody_is_asked_about_a_task_that_there_is_not(work: Workshop) -> None:
    asked: list[str] = []
    make_sure("small", lambda: asyncio.run(work.store.by_name("small")), asked.append)
    with pytest.raises(UnknownTask):
        make_sure("smal", lambda: asyncio.run(work.store.by_name("smal")), asked.append)
    assert asked == ["Delete 'small' with all its rows and models, for good?"]


def test_a_policy_that_cannot_be_read_stops_creation_before_anything(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["task", "create", "x", "--data", "none.csv", "--target", "y", "--policy", str(tmp_path / "none.json")]
    assert run([*arguments, "--json"]) == 3
    assert msgspec.json.decode(capsys.readouterr().out)["error"] == "policy-invalid"


def test_stages_follow_each_other_to_the_end(capsys: pytest.CaptureFixture[str]) -> None:
    ends = [end for _, end in STAGES.values()]
    assert ends == sorted(ends)
    assert ends[-1] == 100
    with stages("working", quiet=True) as follow:
        for stage in STAGES:
            follow(stage, 1.0)
    assert capsys.readouterr().out == ""


def test_each_stage_is_told_once_as_it_begins_and_not_to_a_program(capsys: pytest.CaptureFixture[str]) -> None:
    for quiet in (False, True):
        with stages("creating [toy]", quiet=quiet) as follow:
            for stage, share in (("read", 0.0), ("fit the proposer", 0.0), ("fit the proposer", 0.5), ("done", 1.0)):
                follow(stage, share)
    out, err = capsys.readouterr()
    assert (out, err.splitlines()) == ("", ["creating [toy] …", "  read …", "  fit the proposer …", "  done"])


def test_every_stage_of_the_pipeline_has_its_place_on_the_bar() -> None:
    pipeline = Path(dissonance.pipeline.__file__).parent
    said = {stage for file in pipeline.glob("*.py") for stage in re.findall(r'progress\("([^"]+)"', file.read_text())}
    assert said == set(STAGES)
