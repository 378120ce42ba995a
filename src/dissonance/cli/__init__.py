"""The command `dissonance`. Commands are registered here, in one explicit list, in the order that help shows them.

Modules of commands import what is heavy inside the command, so that `dissonance --help` stays fast.
"""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path

import typer
from typer._click.exceptions import UsageError  # Typer's copy of Click has no public name for it

from dissonance.cli import (
    audit,
    audit_log,
    bus,
    database,
    dead_letters,
    decisions,
    demo,
    drill,
    engines,
    keys,
    kpis,
    labels,
    login,
    models,
    pipeline,
    policy,
    replay,
    replays,
    score,
    subjects,
    task,
    token,
    user,
)
from dissonance.cli import run as run_command
from dissonance.cli.access import protect
from dissonance.cli.options import variables_of
from dissonance.cli.output import ErrorMessage, emit_error, emit_json, error_console
from dissonance.cli.permissions import COMMANDS, Right
from dissonance.cli.unheard import hush_libraries
from dissonance.errors import ConfigurationError, DissonanceError
from dissonance.settings import read_settings

EXIT_USAGE = 2  # as Typer has it
EXIT_UNEXPECTED = 70  # EX_SOFTWARE of sysexits(3)
EXIT_INTERRUPTED = 130  # 128 + SIGINT, as shells say it

app = typer.Typer(
    name="dissonance",
    help="Keeps a classifier in production right, and can prove it.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

app.command("demo")(demo.demo)
app.command("up")(engines.up)
app.command("status")(engines.status)
app.command("down")(engines.down)
app.command("run")(run_command.run)
app.add_typer(task.app, name="task")
app.add_typer(models.app, name="models")
app.add_typer(decisions.app, name="decisions")
app.add_typer(pipeline.app, name="pipeline")
app.command("score")(score.score)
app.add_typer(labels.app, name="labels")
app.add_typer(policy.app, name="policy")
app.command("audit")(audit.audit)
app.add_typer(audit_log.app, name="audit-log")
app.command("replay")(replay.replay_command)
app.command("replays")(replays.replays_command)
app.command("login")(login.login)
app.command("logout")(login.logout)
app.add_typer(token.app, name="token")
app.add_typer(user.app, name="user")
app.add_typer(bus.app, name="bus")
app.add_typer(database.app, name="database")
app.add_typer(subjects.app, name="subjects")
app.add_typer(keys.app, name="keys")
app.add_typer(dead_letters.app, name="dead-letters")
app.add_typer(dead_letters.app, name="deadletters", hidden=True)
app.command("kpis")(kpis.kpis)
app.add_typer(drill.app, name="drill")


def main() -> None:
    """The console script: runs one command and exits with its code."""
    hush_libraries()
    sys.exit(run(sys.argv[1:]))


def run(arguments: Sequence[str], commands: typer.Typer = app, rights: Mapping[str, Right] = COMMANDS) -> int:
    """One command line without the program's name; the exit code. Errors are told here and nowhere else.

    Codes: that of the error's class for an error of ours, 2 for a wrong command line, 130 for Ctrl-C, 70 for a defect.
    """
    as_json = "--json" in arguments
    try:
        # Typer itself tells what is wrong with a command line, but in words only.
        program = protect(typer.main.get_command(commands), rights)
        code = program(list(arguments), prog_name="dissonance", standalone_mode=not as_json)
    except DissonanceError as error:
        emit_error(error, as_json)
        return error.exit_code
    except ExceptionGroup as group:
        return _tell_group(group, arguments, as_json)
    except UsageError as error:
        _tell_usage(error)
        return EXIT_USAGE
    except (KeyboardInterrupt, typer.Abort):
        return EXIT_INTERRUPTED
    except SystemExit as leaving:
        return leaving.code if isinstance(leaving.code, int) else int(leaving.code is not None)
    except Exception as error:  # noqa: BLE001 - the outermost edge: a defect is logged whole, and has its own code
        _tell_defect(error, arguments, as_json)
        return EXIT_UNEXPECTED
    return code if isinstance(code, int) else 0


def _tell_usage(error: UsageError) -> None:
    command = "dissonance" if error.ctx is None else error.ctx.command_path
    emit_json(
        ErrorMessage(
            "usage",
            "The command line is not right",
            error.format_message(),
            command,
            f"see {command} --help",
            EXIT_USAGE,
        )
    )


def _tell_group(group: ExceptionGroup, arguments: Sequence[str], as_json: bool) -> int:
    """What ends a task group: the first error, if all of them are ours."""
    ours, defects = group.split(DissonanceError)
    if ours is None or defects is not None:
        _tell_defect(group, arguments, as_json)
        return EXIT_UNEXPECTED
    error: Exception = ours
    while isinstance(error, ExceptionGroup):
        error = error.exceptions[0]
    assert isinstance(error, DissonanceError)
    emit_error(error, as_json)
    return error.exit_code


def _tell_defect(error: Exception, arguments: Sequence[str], as_json: bool) -> None:
    text = "".join(traceback.format_exception(error))
    log = _defect_log(arguments)
    if log is None:
        error_console.print(text, markup=False, soft_wrap=True)
    what = f"a defect of dissonance: {type(error).__name__}: {error}"
    if log is not None:
        with log.open("a", encoding="utf-8") as file:
            file.write(f"{' '.join(arguments)}\n{text}\n")
    where = str(log) if log is not None else "stderr"
    if as_json:
        emit_json({"error": "defect", "what": what, "where": where, "exit_code": EXIT_UNEXPECTED})
    else:
        error_console.print(f"{what} (traceback in {where})", style="bold red", markup=False, soft_wrap=True)


def _defect_log(arguments: Sequence[str]) -> Path | None:
    """The log in the data folder; none when there is no data folder yet, since a defect must not make one."""
    given = [value for name, value in pairwise(arguments) if name == "--data"]
    variables = variables_of(given[-1] if given else None)
    try:
        logs = read_settings(variables).data_folder / "logs"
    except ConfigurationError:
        return None
    return logs / "defects.log" if os.access(logs, os.W_OK) else None
