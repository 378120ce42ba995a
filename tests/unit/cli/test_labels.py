"""`dissonance labels` in words."""

from __future__ import annotations

from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from dissonance.cli import run
from dissonance.cli.labels import import_answer, show_import, status_table
from dissonance.contracts.api import Label
from dissonance.contracts.label_api import QueueReply
from dissonance.errors import InputError, InvalidDataFile, UnknownClass
from dissonance.pipeline.label_file import LabelFile, NumberedLabel
from dissonance.roles.learner.importing import Refused
from support.printing import printed


def test_an_import_tells_what_was_taken_and_which_lines_were_refused_and_why() -> None:
    read = LabelFile([NumberedLabel(line, Label("p", 1), False) for line in (2, 3, 5)], empty=4)
    error = UnknownClass("the label is not a class", where="labels[0].label", fix="the classes are 0, 1")
    answer = import_answer("toy", read, [Refused(2, error)])
    assert (answer.taken, answer.refused, answer.empty) == (2, 1, 4)
    (line,) = answer.first_refused
    assert (line.line, line.error) == (5, "unknown-class")
    console = Console(file=StringIO(), width=160)
    show_import(console, answer)
    assert isinstance(console.file, StringIO)
    for piece in ("2 labels are taken", "4 lines had none", "line 5", "the classes are 0, 1", "1 line was refused"):
        assert piece in console.file.getvalue(), piece


def test_status_tells_queue_budget_and_labels() -> None:
    reply = QueueReply(
        task="toy",
        by_state={"open": 3, "leased": 1},
        by_reason={"random_check": 1, "second_look": 2},
        budget_per_day=8,
        day="2020-01-01",
        asked_today=5,
        labels=120,
        learnable=110,
        waiting_for_second_look=2,
        withdrawn=1,
        coverage=0.25,
        latest_label_at=None,
    )
    text = printed(status_table(reply))
    for piece in ("120, on 25.0% of the inputs", "110", "3 open, 1 leased", "2 second look", "5 of 8 asked on 2020"):
        assert piece in text, piece


def test_a_file_that_is_not_there_is_named_before_anything_is_asked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["labels", "import", "toy", str(tmp_path / "none.csv"), "--json"]) == InvalidDataFile.exit_code
    assert "none.csv" in capsys.readouterr().out


def test_an_export_overwrites_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    there = tmp_path / "asked.csv"
    there.write_text("mine")
    assert run(["labels", "export", "toy", "--out", str(there), "--json"]) == InputError.exit_code
    assert there.read_text() == "mine"
    assert "there already" in capsys.readouterr().out
