"""The whole run on small made cases, without NannyML's environment: processes, rows, summary, report, record."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest

from dissonance.drills.records import read_records
from science.run import main

CASES = """
import numpy as np
import pandas as pd

from science.case import Case


def made():
    generator = np.random.default_rng(0)
    frame = pd.DataFrame({"a": generator.normal(size=1_600), "b": generator.choice(["x", "y"], 1_600)})
    frame["label"] = np.where(frame["a"] + (frame["b"] == "x") + generator.normal(size=1_600) > 0.5, "yes", "no")
    return frame


GOOD = [Case("low", made, "a < 0.3", "a >= 0.3", "label"), Case("x", made, "b == 'x'", "b != 'x'", "label")]
CASES = GOOD
"""
LOST = """
CASES = [*GOOD, Case("lost", made, "a < 0.3", "c >= 0.3", "label")]
"""


def run(tmp_path: Path, cases: str, *more: str) -> tuple[int, Path]:
    file, results = tmp_path / "cases.py", tmp_path / "results"
    file.write_text(cases, encoding="utf-8")
    common = ("--cases", str(file), "--results", str(results), "--seeds", "1", "--windows", "1")
    return main([*common, "--jobs", "1", "--parts", "estimates", "--without-nannyml", *more]), results


def test_rows_summary_report_and_record_are_written(tmp_path: Path) -> None:
    code, results = run(tmp_path, CASES)

    rows = pd.read_parquet(results / "estimates.parquet")
    summary = json.loads((results / "summary.json").read_text())
    report = (results / "report.html").read_text()
    (record,) = read_records(results / "records")
    assert code == 0
    assert set(rows["case"]) == {"low", "x"}
    assert set(rows["kind"]) == {"source", "target"}
    assert rows["value"].dropna().between(0.0, 1.0).all()
    naive = next(
        row
        for row in summary["parts"]["estimates"]["errors"]
        if (row["method"], row["kind"], row["size"]) == ("naive", "target", 300)
    )
    of_naive = rows[(rows["method"] == "naive") & (rows["kind"] == "target") & (rows["size"] == 300)]
    assert naive["error"] == pytest.approx(100 * (of_naive["value"] - of_naive["truth"]).abs().mean())
    assert record.raw["not_measured"] == 0
    assert "NannyML was left out" in report
    assert report.count("<svg") == 4


def test_a_case_that_fails_is_told_and_the_others_are_measured(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, results = run(tmp_path, CASES + LOST)

    assert code == 1
    assert set(pd.read_parquet(results / "estimates.parquet")["case"]) == {"low", "x"}
    assert "case lost, seed 1, prepare: UndefinedVariableError: name 'c' is not defined" in capsys.readouterr().err
    assert "UndefinedVariableError" in (results / "report.html").read_text()
    assert "Traceback" in (results / "failures.txt").read_text()


def test_keep_going_ends_well_though_no_case_could_be_measured(tmp_path: Path) -> None:
    code, results = run(tmp_path, CASES + LOST, "--keep-going", "--only", "lost")

    assert code == 0
    assert json.loads((results / "summary.json").read_text())["parts"] == {}


BEGUN_WITH = {
    "no file": (["--cases", "nowhere.py"], "no such file"),
    "no cases": (["--cases", __file__], "no list of cases"),
    "unknown case": (["--only", "acs-women,nobody"], "not known: nobody"),
    "unknown part": (["--parts", "estimate"], "not known: estimate"),
    "no seeds": (["--seeds", "one"], "no seeds: one"),
    "no windows": (["--windows", "0"], "1 or more"),
    "no environment": (["--nannyml", "nowhere"], "environment is not there"),
}


@pytest.mark.parametrize(("words", "what"), [([*w, "--jobs", "1"], e) for w, e in BEGUN_WITH.values()], ids=BEGUN_WITH)
def test_nothing_is_begun_when_what_was_asked_for_makes_no_sense(
    words: list[str], what: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words if "--nannyml" in words else [*words, "--without-nannyml"]) == 2
    assert what in capsys.readouterr().err


@pytest.mark.parametrize(
    ("content", "what"),
    [
        ("import nothing_of_this_name", "cannot be imported: ModuleNotFoundError"),
        (CASES.replace('"x", m', '"low", m'), "two cases"),
    ],
)
def test_a_case_file_that_cannot_be_used_says_why(
    tmp_path: Path, content: str, what: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(tmp_path, content)[0] == 2
    assert what in capsys.readouterr().err
