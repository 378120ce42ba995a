"""`dissonance score` in words, and what it refuses before it asks any engine."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from dissonance.adapters.files.local import LocalFiles
from dissonance.cli import run
from dissonance.cli.score import rejected_name, score_answer, score_table
from dissonance.errors import InputError, InvalidDataFile
from dissonance.pipeline.scoring.run import Model, Outcome, Place, Request
from support.printing import printed
from support.scoring import request, small_model


@pytest.fixture(scope="module")
def model() -> Model:
    return small_model()


def test_it_tells_rows_speed_and_what_could_not_be_answered(model: Model) -> None:
    asked = Request(*(Place(LocalFiles(), name, name) for name in ("in.csv", "out.csv", "bad.csv")))
    answer = score_answer(model, asked, Outcome(read=1_500, scored=1_498, rejected=2, resumed=500, parts=3), 2.0)
    assert (answer.rows_per_s, answer.rejected_file, answer.critic_digest) == (500.0, "bad.csv", model.critic.digest)  # type: ignore[union-attr]
    text = printed(score_table(answer))
    for piece in ("in.csv", "out.csv", "version 1 of small", "1,500, of which 1,498 scored", "2, listed in bad.csv"):
        assert piece in text, piece
    assert "500 rows/s" in text


def test_it_tells_nothing_of_what_there_was_none(model: Model, tmp_path: Path) -> None:
    asked = request(tmp_path / "in.csv", tmp_path / "out.csv")
    answer = score_answer(model._replace(critic=None), asked, Outcome(5, 5, 0, 0, 1), 0.0)
    assert (answer.rejected_file, answer.critic_digest) == (None, None)
    text = printed(score_table(answer))
    assert "earlier" not in text
    assert "answered" not in text


@pytest.mark.parametrize(
    ("out", "name"), [("a/b.c.csv", "a/b.c.rejected.csv"), ("s3://b/k.arrow", "s3://b/k.rejected.arrow")]
)
def test_rejected_rows_go_beside_the_output(out: str, name: str) -> None:
    assert rejected_name(out) == name


@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        (["rows.txt", "--out", "scores.csv"], "no known kind"),
        (["rows.csv", "--out", "scores"], "no known kind"),
        (["rows.csv", "--out", "scores.csv", "--rejected", "bad.txt", "--on-bad-row", "report"], "no known kind"),
        (["rows.csv", "--out", "scores.csv", "--rejected", "bad.csv"], "not reported"),
        (["s3://rows.csv", "--out", "scores.csv"], "no address"),
        (["nofile", "--out", "scores.csv"], "no such file"),
        (["gone.csv", "--out", "scores.csv"], "no such file"),
        (["rows.csv", "--out", "ftp://there/scores.csv"], "no address"),
    ],
)
def test_what_cannot_be_meant_is_refused_before_anything_is_asked(
    arguments: list[str], what: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("rows.txt", "rows.csv"):
        (tmp_path / name).touch()
    assert run(["score", "small", *arguments, "--json"]) in (InputError.exit_code, InvalidDataFile.exit_code)
    assert what in msgspec.json.decode(capsys.readouterr().out)["what"]
