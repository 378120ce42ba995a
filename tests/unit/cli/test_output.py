"""What comes from outside is shown, and nothing that a terminal would obey."""

from __future__ import annotations

from io import StringIO

import pytest
from rich.markup import escape
from rich.table import Table

from dissonance.cli.output import QuietConsole, console, emit_error, error_console, still_going, tell_beats
from dissonance.errors import UnknownTask

EVIL = "toy\x1b]0;owned\x07\x1b[2J\x9b1m\r\u202eyot"


def shown(renderable: object, **options: object) -> str:
    out = StringIO()
    QuietConsole(file=out, width=200).print(renderable, **options)  # type: ignore[arg-type]
    return out.getvalue()


def table() -> Table:
    made = Table(title=escape(EVIL))
    made.add_column(escape(EVIL))
    made.add_row(escape(EVIL))
    return made


@pytest.mark.parametrize("renderable", [EVIL, table()], ids=["text", "table"])
def test_a_name_that_a_terminal_would_obey_is_only_shown(renderable: object) -> None:
    text = shown(renderable)
    assert "toy?]0;owned?[2J?1m" in text
    assert not {"\x1b", "\x07", "\x9b", "\r", "\u202e"} & set(text)


def test_colours_of_ours_still_come_through_on_a_terminal() -> None:
    out = StringIO()
    QuietConsole(file=out, force_terminal=True, color_system="standard").print("[red]fail[/red]")
    assert out.getvalue() == "\x1b[31mfail\x1b[0m\n"


def test_both_consoles_of_the_commands_are_such_ones() -> None:
    assert isinstance(console, QuietConsole)
    assert isinstance(error_console, QuietConsole)


def test_an_error_about_such_a_name_is_only_shown(capsys: pytest.CaptureFixture[str]) -> None:
    emit_error(UnknownTask(f"no task is named '{EVIL}'", where=EVIL, fix=EVIL), as_json=False)
    emit_error(UnknownTask(f"no task is named '{EVIL}'", where=EVIL, fix=EVIL), as_json=True)
    printed = capsys.readouterr()
    assert "\x1b" not in printed.err + printed.out


def test_work_that_goes_on_without_a_terminal_says_where_it_is_until_it_ends(
    capsys: pytest.CaptureFixture[str],
) -> None:
    ended, where = iter([False, False, True]), iter(["fit the proposer, 30 %", "fit the critic, 66 %"])

    tell_beats(lambda: next(where), lambda seconds: next(ended))

    assert capsys.readouterr().err.splitlines() == ["  10 s: fit the proposer, 30 %", "  20 s: fit the critic, 66 %"]


def test_work_that_is_over_soon_or_quiet_says_nothing_more(capsys: pytest.CaptureFixture[str]) -> None:
    for quiet in (False, True):
        with still_going(lambda: "work", quiet=quiet):
            pass
    assert capsys.readouterr().err == ""
