"""`dissonance policy`: what it reads and shows; the commands themselves run in the acceptance tests."""

from __future__ import annotations

import io

import msgspec
import pytest
from rich.console import Console, RenderableType

from dissonance.cli import run
from dissonance.cli.policy import (
    chosen,
    diff_answer,
    diff_table,
    history_table,
    parse_changes,
    policy_table,
)
from dissonance.contracts.policy import Policy
from dissonance.contracts.policy_api import PolicyReply
from dissonance.errors import InputError, PolicyInvalid

AT = "2026-01-01T00:00:00.000000Z"
VERSIONS = [
    PolicyReply("toy", Policy(version=2, KL_eps=0.5), AT, "ann", "[wider]"),
    PolicyReply("toy", Policy(version=1), AT, "bob", "created"),
]


def shown(what: RenderableType) -> str:
    out = io.StringIO()
    Console(file=out, width=80).print(what)
    return out.getvalue()


def test_changes_come_from_the_command_line() -> None:
    assert parse_changes(["KL_eps = 0.5"]) == {"KL_eps": "0.5"}


def test_a_change_without_a_reason_names_the_option(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["policy", "set", "toy", "KL_eps=0.05", "--json"]) == InputError.exit_code
    told = msgspec.json.decode(capsys.readouterr().out)
    assert (told["where"], "as --reason" in told["fix"]) == ("--reason", True)


def test_what_is_no_change_is_refused() -> None:
    with pytest.raises(PolicyInvalid, match="no change"):
        parse_changes(["nonsense"])


def test_a_version_is_found_or_the_ones_there_are_are_named() -> None:
    assert chosen(VERSIONS, None).policy.version == 2 and chosen(VERSIONS, 1).by == "bob"
    with pytest.raises(PolicyInvalid) as refusal:
        chosen(VERSIONS, 9)
    assert "1 to 2" in refusal.value.fix


def test_tables_tell_what_changed_who_and_why() -> None:
    diff = diff_answer(VERSIONS, 1, 2)

    assert [(line.name, line.before, line.after) for line in diff.differences] == [("KL_eps", 0.02, 0.5)]
    assert "KL_eps" in shown(diff_table(diff)) and "[wider]" in shown(diff_table(diff))
    assert "(default 0.02)" in shown(policy_table(VERSIONS[0]))
    assert "KL_eps 0.02" in shown(history_table("toy", VERSIONS))
