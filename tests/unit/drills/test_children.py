"""Child processes of drills, on the real command."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from dissonance.drills.children import Child, command_line, memory_of, run_command, start_child, start_until_ready
from dissonance.errors import ConfigurationError, DissonanceError, EngineError, EngineUnavailable

READY = object()


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


def test_child_that_tells_of_an_error_instead_of_being_ready_raises_that_error(tmp_path: Path) -> None:
    with pytest.raises(EngineUnavailable, match="no engine runs") as caught:
        asyncio.run(start_child("run", ("run", "gate", "--json"), {"data": str(tmp_path / "none")}, tmp_path))
    assert caught.value.where == str(tmp_path / "none") and "dissonance up" in caught.value.fix


class Starts:
    """A start that fails with each of `errors`, and then gives a child."""

    def __init__(self, *errors: DissonanceError) -> None:
        self.errors = list(errors)
        self.said: list[str] = []

    async def __call__(self) -> Child:
        if self.errors:
            raise self.errors.pop(0)
        return READY  # type: ignore[return-value]

    def until_ready(self, within_s: float) -> object:
        return asyncio.run(start_until_ready(self, within_s, self.said.append))


def test_child_is_started_again_while_an_engine_is_on_its_way_back_and_each_time_it_is_said() -> None:
    starts = Starts(EngineUnavailable("no broker"), EngineError("ended with exit code 1"))
    assert starts.until_ready(within_s=60.0) is READY
    assert [line.split(";")[0] for line in starts.said] == [
        "not ready yet: no broker",
        "not ready yet: ended with exit code 1",
    ]


def test_child_that_does_not_become_ready_in_the_time_given_raises_what_it_told_last() -> None:
    starts = Starts(EngineUnavailable("no broker"), EngineUnavailable("still none"))
    with pytest.raises(EngineUnavailable, match="no broker"):
        starts.until_ready(within_s=0.0)
    assert starts.said == []


def test_child_that_no_start_can_help_is_not_started_again() -> None:
    starts = Starts(ConfigurationError("unknown setting"), EngineUnavailable("never asked"))
    with pytest.raises(ConfigurationError):
        starts.until_ready(within_s=60.0)
    assert len(starts.errors) == 1


def test_memory_of_this_process_is_counted_and_of_a_dead_one_is_none() -> None:
    assert memory_of(os.getpid()) > 10_000_000
    assert memory_of(2**22 + 1) == 0
