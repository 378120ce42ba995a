"""Child processes of drills, on the real command."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from dissonance.drills.children import command_line, memory_of, run_command, start_child
from dissonance.errors import EngineError


def test_command_gets_the_settings_given_and_no_other() -> None:
    line = command_line(("status",), {"data": "/somewhere", "ack_wait_s": "5"})
    environment = line[line.index("/usr/bin/env") :]
    assert "DISSONANCE_DATA=/somewhere" in environment and "DISSONANCE_ACK_WAIT_S=5" in environment
    assert environment[environment.index("DISSONANCE_NATS_URL") - 1] == "-u"
    assert environment[-3:] == ["-m", "dissonance", "status"]


def test_answer_of_a_command_is_decoded_when_it_ends_well(tmp_path: Path) -> None:
    settings = {"data": str(tmp_path / "nothing")}
    answer = asyncio.run(run_command("down", ("down", "--json"), settings, tmp_path))
    assert answer == {"data": str(tmp_path / "nothing"), "stopped_pid": None}


def test_failing_command_is_an_error_with_its_last_words(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match="no keys yet") as caught:
        asyncio.run(
            run_command("token", ("token", "create", "--grant", "viewer"), {"data": str(tmp_path / "none")}, tmp_path)
        )
    assert caught.value.where == str(tmp_path / "token.log")


def test_child_that_ends_before_it_is_ready_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match="exit code 2"):
        asyncio.run(start_child("up", ("up", "--no-such-option"), {"data": str(tmp_path / "none")}, tmp_path))


def test_memory_of_this_process_is_counted_and_of_a_dead_one_is_none() -> None:
    assert memory_of(os.getpid()) > 10_000_000
    assert memory_of(2**22 + 1) == 0
