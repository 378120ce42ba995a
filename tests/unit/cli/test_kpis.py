"""`dissonance kpis` shows the latest record of each name and what falls short; with `--check` its exit code is the
verdict on all of them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner, Result

from dissonance.cli.kpis import kpis
from dissonance.drills.records import AtLeast, Limit, make_record, write_record
from dissonance.errors import InputError

SECOND_US = 1_000_000


def run(*arguments: str) -> Result:
    app = typer.Typer()
    app.command()(kpis)
    return CliRunner(env={"COLUMNS": "200"}).invoke(app, list(arguments))


def measure(folder: Path, name: str, rate: float, at_s: int = 0, limits: list[Limit] | None = None) -> None:
    record = make_record(
        name=name,
        what="cycles until the lag is drained",
        command=f"dissonance drill {name}",
        now_us=at_s * SECOND_US,
        raw={"cycles_per_s": rate},
        limits=[AtLeast("cycles_per_s", 1000)] if limits is None else limits,
    )
    write_record(folder, record)


def test_all_records_pass(tmp_path: Path) -> None:
    measure(tmp_path, "bench-cycle", 1234.5678)

    result = run("--records", str(tmp_path))

    assert result.exit_code == 0
    assert "bench-cycle" in result.stdout
    assert "pass" in result.stdout
    assert run("--records", str(tmp_path), "--check").exit_code == 0


def test_all_figures_of_one_stand_with_their_limits_and_where_they_were_measured(tmp_path: Path) -> None:
    measure(tmp_path, "bench-cycle", 1234.5678)
    measure(tmp_path, "nothing-lost", 999)

    result = run("bench-cycle", "--records", str(tmp_path))

    assert result.exit_code == 0
    assert "cycles per s" in result.stdout and "1235 (at least 1000)" in result.stdout
    assert "cycles until the lag is drained" in result.stdout
    assert "earlier" not in result.stdout
    assert "nothing-lost" not in result.stdout
    everything = run("--all", "--records", str(tmp_path)).stdout
    assert "1235 (at least 1000)" in everything and "999 (at least 1000)" in everything


def test_a_name_without_a_record_is_refused_with_those_that_have_one(tmp_path: Path) -> None:
    measure(tmp_path, "bench-cycle", 1234)

    error = run("bench-cycles", "--records", str(tmp_path)).exception

    assert isinstance(error, InputError)
    assert "bench-cycle" in error.fix


def test_one_of_two_fails(tmp_path: Path) -> None:
    measure(tmp_path, "bench-cycle", 1234)
    measure(tmp_path, "nothing-lost", 999)

    result = run("--records", str(tmp_path))

    assert result.exit_code == 0, "what was asked for is shown"
    assert run("--records", str(tmp_path), "--check").exit_code == 1
    assert "cycles per s is 999; it must be at least 1000" in " ".join(result.stdout.replace("│", " ").split())


def test_later_pass_supersedes_an_earlier_failure_and_counts_it(tmp_path: Path) -> None:
    measure(tmp_path, "bench-cycle", 18, at_s=1)
    measure(tmp_path, "bench-cycle", 1500, at_s=2)

    result = run("--records", str(tmp_path), "--check", "--all")

    assert result.exit_code == 0
    assert "1 earlier" in result.stdout
    assert "1500 (at least 1000)" in result.stdout


def test_later_failure_is_not_hidden_by_an_earlier_pass(tmp_path: Path) -> None:
    measure(tmp_path, "bench-cycle", 1500, at_s=1)
    measure(tmp_path, "bench-cycle", 18, at_s=2)

    assert run("--records", str(tmp_path), "--check").exit_code == 1


def test_record_without_limits_shows_its_numbers(tmp_path: Path) -> None:
    measure(tmp_path, "memory", 42, limits=[])

    result = run("memory", "--records", str(tmp_path))

    assert result.exit_code == 0
    assert "42" in result.stdout


def test_no_records_says_how_to_make_some(tmp_path: Path) -> None:
    result = run("--records", str(tmp_path / "none"))

    assert result.exit_code == 1
    assert "dissonance drill nothing-lost" in result.stderr
    assert result.stdout == ""


@pytest.mark.parametrize(("rate", "exit_code"), [(1500.0, 0), (18.0, 1)])
def test_json_has_the_whole_record(tmp_path: Path, rate: float, exit_code: int) -> None:
    measure(tmp_path, "bench-cycle", rate, at_s=7)

    result = run("--records", str(tmp_path), "--json", "--check")

    assert result.exit_code == exit_code
    (kpi,) = json.loads(result.stdout)
    assert kpi["earlier"] == 0
    assert kpi["record"]["raw"] == {"cycles_per_s": rate}
    assert kpi["record"]["when"] == "1970-01-01T00:00:07Z"
