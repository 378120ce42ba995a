"""Policies, and values of them, from files: read in either format, or refused by name."""

from __future__ import annotations

from pathlib import Path

import pytest

from dissonance.cli.policy_file import read_policy_file
from dissonance.contracts.policy import Policy
from dissonance.decisions.policy_changes import Value
from dissonance.errors import PolicyInvalid


@pytest.mark.parametrize(
    ("name", "content"),
    [("p.json", '{"D_target": 0.1, "window_rows": 50}'), ("p.toml", "D_target = 0.1\nwindow_rows = 50\n")],
)
def test_a_policy_is_read_from_either_format(tmp_path: Path, name: str, content: str) -> None:
    (tmp_path / name).write_text(content)
    assert read_policy_file(tmp_path / name, Policy) == Policy(D_target=0.1, window_rows=50)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("p.json", "{", "no policy"),
        ("p.json", '{"d_target": 1}', "d_target"),
        ("p.toml", "=", "no policy"),
        ("p.toml", "window_rows = 'many'", "window_rows"),
        ("p.json", '{"D_target": 3}', "D_target is 3"),
    ],
)
def test_a_file_that_is_no_policy_is_refused(tmp_path: Path, name: str, content: str, message: str) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(PolicyInvalid, match=message):
        read_policy_file(tmp_path / name, Policy)


def test_a_policy_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(PolicyInvalid) as caught:
        read_policy_file(tmp_path / "none.json", Policy)
    assert caught.value.where.endswith("none.json")


def test_some_values_are_read_without_the_others(tmp_path: Path) -> None:
    (tmp_path / "some.toml").write_text("KL_eps = 0.5\nwindow_by = 'rows'\n")
    (tmp_path / "some.json").write_text('{"window_s": 60}')
    assert read_policy_file(tmp_path / "some.toml", dict[str, Value]) == {"KL_eps": 0.5, "window_by": "rows"}
    assert read_policy_file(tmp_path / "some.json", dict[str, Value]) == {"window_s": 60}


@pytest.mark.parametrize("text", ["[1]", '{"KL_eps": null}', "nonsense"])
def test_a_file_that_holds_no_values_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "broken.json"
    path.write_text(text)
    with pytest.raises(PolicyInvalid, match="no policy"):
        read_policy_file(path, dict[str, Value])
