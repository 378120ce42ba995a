"""`dissonance task` and `dissonance models`: what they read and what they print."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

import msgspec
import pytest

import dissonance.pipeline
from dissonance.cli import run
from dissonance.cli.connected import STAGES, stages
from dissonance.cli.models import (
    PromotedAnswer,
    model_line,
    models_table,
    promoted_answer,
    replica_lines,
    retrained_answer,
    retrained_table,
)
from dissonance.cli.task import (
    TaskShown,
    created_answer,
    created_table,
    golden_answer,
    golden_table,
    list_table,
    shown_table,
    task_line,
)
from dissonance.contracts.policy import Policy
from dissonance.contracts.standings import NAMELESS
from dissonance.pipeline.aliases import list_models
from dissonance.pipeline.golden import RefreshedGolden
from dissonance.pipeline.promotion import promote
from dissonance.pipeline.retrain import retrain
from dissonance.pipeline.taking_back import rollback
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


def test_retraining_promoting_and_rolling_back_are_told(work: Workshop) -> None:
    retrained = retrained_answer(asyncio.run(retrain(work, "small")))
    assert (retrained.version, retrained.incumbent_version, retrained.labels) == (2, 1, 0)
    assert f"{retrained.golden_after:.4f}" in printed(retrained_table(retrained))
    promoted = promoted_answer(asyncio.run(promote(work, "small", by="a test")))
    assert "No proposer runs" in replica_lines(promoted)[0]
    assert (promoted.version, promoted.previous_version) == (2, 1)
    golden = next(finding for finding in promoted.findings if finding.rule == "GoldenNonInferiority")
    assert golden.numbers["candidate_accuracy"] == retrained.golden_after
    back = promoted_answer(asyncio.run(rollback(work, "small", by="a test")))
    assert (back.version, back.findings, back.verdict) == (1, [], None)
    lines = [model_line(version) for version in asyncio.run(list_models(work, "small"))]
    assert [(line.role, line.version) for line in lines if line.in_production] == [("proposer", 1), ("critic", 1)]
    assert lines[0].digest[:12] in printed(models_table("small", lines))


def test_deleting_for_a_program_must_be_confirmed(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["task", "delete", "small", "--json"]) == 3
    assert msgspec.json.decode(capsys.readouterr().out)["where"] == "--yes"


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


def test_who_answers_with_a_promoted_version_is_said_and_who_does_not_is_named() -> None:
    answer = PromotedAnswer(
        task="small",
        version=1,
        critic_version=1,
        previous_version=2,
        phase="rolled_back",
        verdict=None,
        findings=[],
        replicas=["host/1"],
        replicas_missing=["host/2"],
        confirmed_ms=10_000.0,
    )
    said = replica_lines(answer)
    assert said[0] == "1 of 2 replicas answer with it, 10000 ms after it moved"
    assert "host/2" in said[1]
    assert replica_lines(msgspec.structs.replace(answer, phase="canary")) == []
    hung = msgspec.structs.replace(answer, replicas=[], replicas_missing=[NAMELESS])
    assert replica_lines(hung)[0].startswith("NOT CONFIRMED: a proposer listens and answered nothing")
    nobody = msgspec.structs.replace(answer, replicas=[], replicas_missing=[])
    assert replica_lines(nobody)[0].startswith("No proposer runs that the broker knows of")
