"""The outermost edge: every error becomes words, or one JSON object, and an exit code."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import pytest
import typer

from dissonance.cli import run
from dissonance.cli.output import emit, progress
from dissonance.cli.permissions import Right
from dissonance.errors import ConfigurationError
from dissonance.security.permissions import Permission

ANYBODY = {"": Right(Permission.RECORDS)}


def program_that(raises: BaseException) -> typer.Typer:
    program = typer.Typer(pretty_exceptions_enable=False)

    @program.command()
    def fails(data: str = "", as_json: Annotated[bool, typer.Option("--json")] = False) -> None:
        raise raises

    return program


def test_error_of_ours_says_what_where_and_how_to_mend_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "VERSION").write_text("99")
    assert run(["up", "--data", str(tmp_path)]) == 6
    printed = capsys.readouterr()
    assert printed.out == ""
    assert "layout version 99" in printed.err
    assert str(tmp_path / "VERSION") in printed.err
    assert "How to mend it:" in printed.err


def test_error_with_json_is_one_object_on_stdout(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "VERSION").write_text("99")
    assert run(["up", "--data", str(tmp_path), "--json"]) == 6
    answer = json.loads(capsys.readouterr().out)
    assert set(answer) == {"error", "title", "what", "where", "fix", "exit_code"}
    assert (answer["error"], answer["exit_code"]) == ("data-folder", 6)


def test_command_line_that_is_wrong_ends_with_two(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["up", "--no-such-option"]) == 2
    assert run(["up", "--nats-port", "70000"]) == 2
    assert "65535" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "command"),
    [
        (["nonsense"], "dissonance"),
        (["task"], "dissonance task"),
        (["task", "create", "name"], "dissonance task create"),
        (["run"], "dissonance run"),
        (["run", "proposer", "--port", "99999"], "dissonance run"),
        (["models", "promote", "name", "--version", "newest"], "dissonance models promote"),
    ],
)
def test_command_line_that_is_wrong_is_one_object_with_json(
    arguments: list[str], command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run([*arguments, "--json"]) == 2
    answer = json.loads(capsys.readouterr().out)
    assert (answer["error"], answer["exit_code"]) == ("usage", 2)
    assert answer["fix"] == f"see {command} --help"
    assert answer["what"]


def test_help_names_the_commands(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--help"]) == 0
    printed = capsys.readouterr().out
    assert all(f" {name} " in printed for name in ("up", "status", "down", "token", "kpis"))


def test_nothing_running_is_told_by_status_and_fine_for_down(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["status", "--data", str(tmp_path), "--json"]) == 1
    assert [engine["ready"] for engine in json.loads(capsys.readouterr().out)] == [False, False, False]
    assert run(["down", "--data", str(tmp_path)]) == 0
    assert "nothing was running" in capsys.readouterr().out


def test_damaged_state_is_an_error_of_ours(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "state.json").write_bytes(b"{}")
    assert run(["down", "--data", str(tmp_path)]) == 6
    assert "damaged" in capsys.readouterr().err


def test_errors_of_ours_in_a_group_are_told_as_the_first_of_them(capsys: pytest.CaptureFixture[str]) -> None:
    taken = ConfigurationError("cannot listen on port 80", where="DISSONANCE_HTTP_PORT", fix="choose another port")
    group = ExceptionGroup("tasks", [ExceptionGroup("inner", [taken])])
    assert run(["--json"], program_that(raises=group), ANYBODY) == 2
    assert json.loads(capsys.readouterr().out)["what"] == "cannot listen on port 80"


def test_a_defect_in_a_group_is_a_defect(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "logs").mkdir()
    group = ExceptionGroup("tasks", [ConfigurationError("no port"), ZeroDivisionError("by zero")])
    assert run(["--data", str(tmp_path), "--json"], program_that(raises=group), ANYBODY) == 70
    assert json.loads(capsys.readouterr().out)["error"] == "defect"
    assert "by zero" in (tmp_path / "logs" / "defects.log").read_text()


def test_defect_is_logged_whole_in_the_data_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "logs").mkdir()
    assert run(["--data", str(tmp_path)], program_that(raises=ZeroDivisionError("by zero")), ANYBODY) == 70
    assert "a defect of dissonance: ZeroDivisionError: by zero" in capsys.readouterr().err
    log = (tmp_path / "logs" / "defects.log").read_text()
    assert "Traceback" in log
    assert "ZeroDivisionError: by zero" in log


def test_defect_without_a_data_folder_is_shown_whole_and_makes_none(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "none"
    assert run(["--data", str(folder), "--json"], program_that(raises=ZeroDivisionError("by zero")), ANYBODY) == 70
    printed = capsys.readouterr()
    assert json.loads(printed.out)["error"] == "defect"
    assert "Traceback" in printed.err
    assert not folder.exists()


def test_interrupted_command_ends_as_shells_say_it() -> None:
    assert run([], program_that(raises=KeyboardInterrupt()), ANYBODY) == 130


def test_result_is_one_line_of_json_or_for_people(capsys: pytest.CaptureFixture[str]) -> None:
    emit({"rows": 3}, True, "three rows")
    assert capsys.readouterr().out == '{"rows":3}\n'
    emit({"rows": 3}, False, "three rows")
    assert capsys.readouterr().out == "three rows\n"
    emit({"rows": 3}, False, lambda console: console.print("three", "rows"))
    assert capsys.readouterr().out == "three rows\n"


def test_progress_is_a_plain_line_without_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    with progress("reading [rows]", total=2) as advance:
        advance(2)
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err == "reading [rows] …\n"
    with progress("reading rows", quiet=True) as advance:
        advance(1)
    assert capsys.readouterr().err == ""
