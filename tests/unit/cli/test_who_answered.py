"""`dissonance models who-answered` in words."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from typer.testing import CliRunner

from dissonance.cli.models import app
from dissonance.cli.who_answered import each_answered_table, read_ids, who_answered_answer, who_answered_table
from dissonance.contracts.ids import id_text, uuid7_bytes
from dissonance.contracts.verdicts import Reason, Verdict
from dissonance.errors import InputError, InvalidDataFile
from dissonance.pipeline.who_answered import WhoAnswered
from dissonance.ports.store import Experience
from support.printing import printed
from support.store import RowMaker

ROW = Experience(
    prediction_id=uuid7_bytes(0, bytes(10)),
    data_subject=bytes(16),
    event_time_us=0,
    processing_time_us=3_600_000_000,
    sealed=b"",
    model_digest="ab" * 32,
    critic_digest="cd" * 32,
    policy_version=3,
    verdict=Verdict.ADMITTED,
    reason=Reason.AGREED,
    confidence=0.75,
    dissonance=0.125,
)


def test_it_tells_who_answered_who_doubted_and_what_became_of_it() -> None:
    text = printed(who_answered_table(who_answered_answer(WhoAnswered(RowMaker("who").task(), ROW, 5, 4, None))))
    pieces = ("version 5 (production), abab", "critic 4, cdcd", "1970-01-01T01:00:00", "0.250, 0.125", "none yet")
    for piece in (id_text(ROW.prediction_id), "admitted: agreed, under policy 3", *pieces):
        assert piece in text, piece
    assert "asked beside it" not in text


def test_why_it_was_admitted_is_told_in_words() -> None:
    row = msgspec.structs.replace(ROW, reason=Reason.WITHIN_BUDGET)
    answer = who_answered_answer(WhoAnswered(RowMaker("who").task(), row, 5, 4, None))
    assert "admitted: within budget, under policy 3" in printed(who_answered_table(answer))
    assert answer.reason == "within_budget"


def test_a_canary_its_shadow_and_a_label_are_told() -> None:
    row = msgspec.structs.replace(ROW, canary_arm="canary", right=False)
    text = printed(who_answered_table(who_answered_answer(WhoAnswered(RowMaker("who").task(), row, None, 4, 1))))
    for piece in ("no longer in the registry (canary)", "version 1", "the answer was wrong"):
        assert piece in text, piece


def test_a_file_of_ids_is_read_past_empty_lines_and_a_wrong_one_is_named(tmp_path: Path) -> None:
    file = tmp_path / "ids.txt"
    file.write_text(f"{id_text(ROW.prediction_id)}\n\n  {id_text(ROW.prediction_id)}  \n")
    assert read_ids(file) == [ROW.prediction_id] * 2
    file.write_text(f"{id_text(ROW.prediction_id)}\nnonsense\n")
    with pytest.raises(InputError) as refused:
        read_ids(file)
    assert refused.value.where.endswith("line 2")
    with pytest.raises(InvalidDataFile):
        read_ids(tmp_path / "no such file")


def test_many_are_told_in_a_line_each() -> None:
    answers = [who_answered_answer(WhoAnswered(RowMaker("who").task(), ROW, version, 4, None)) for version in (5, 6)]
    text = printed(each_answered_table("who", answers))
    assert "2 predictions of who" in text
    assert text.count(id_text(ROW.prediction_id)) == 2


@pytest.mark.parametrize("arguments", [["who"], ["who", id_text(ROW.prediction_id), "--file", "ids.txt"]])
def test_neither_or_both_of_id_and_file_is_refused(arguments: list[str]) -> None:
    done = CliRunner().invoke(app, ["who-answered", *arguments])
    assert isinstance(done.exception, InputError)
