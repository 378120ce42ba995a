"""State counts only while its supervisor lives; streams are noted only for a broker of ours."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import msgspec
import psutil
import pytest

from dissonance.adapters.embedded.addresses import EngineAddresses
from dissonance.adapters.embedded.folder import DataFolder
from dissonance.adapters.embedded.process import ProcessIdentity
from dissonance.adapters.embedded.state import State, engine_pids, read_recorded_state, read_state, write_state
from dissonance.adapters.embedded.streams import record_streams, recorded_streams, refuse_lost_streams
from dissonance.errors import DataFolderError, EngineError


def this_process() -> ProcessIdentity:
    process = psutil.Process(os.getpid())
    return ProcessIdentity(process.pid, process.create_time(), tuple(process.cmdline()))


def running_state() -> State:
    return State(this_process(), EngineAddresses(nats_url="nats://u:p@h:1"), {"nats": this_process()})


def test_state_of_a_living_supervisor_is_read_back(tmp_path: Path) -> None:
    write_state(tmp_path, running_state())
    assert read_state(tmp_path) == running_state()
    assert engine_pids(tmp_path) == {"nats": os.getpid()}


def test_state_holds_a_password_and_is_for_its_user_only(tmp_path: Path) -> None:
    write_state(tmp_path, running_state())
    assert stat.S_IMODE((tmp_path / "state.json").stat().st_mode) == 0o600


def test_folder_where_nothing_runs_has_no_state(tmp_path: Path) -> None:
    assert read_state(tmp_path) is None
    assert engine_pids(tmp_path) == {}


def test_state_of_a_dead_supervisor_is_only_recorded(tmp_path: Path) -> None:
    dead = msgspec.structs.replace(running_state(), supervisor=ProcessIdentity(os.getpid(), 0.0, ("dissonance", "up")))
    write_state(tmp_path, dead)
    assert read_state(tmp_path) is None
    assert read_recorded_state(tmp_path) == dead


def test_damaged_state_is_named(tmp_path: Path) -> None:
    (tmp_path / "state.json").write_text('{"supervisor": 1}')
    with pytest.raises(DataFolderError, match="damaged"):
        read_state(tmp_path)


def test_streams_of_our_broker_are_noted_and_replaced(tmp_path: Path) -> None:
    write_state(tmp_path, running_state())
    record_streams(tmp_path, ["EVENTS", "DEAD"])
    record_streams(tmp_path, ["EVENTS"])
    assert recorded_streams(tmp_path) == {"EVENTS"}


def test_streams_of_an_external_broker_are_not_noted(tmp_path: Path) -> None:
    write_state(tmp_path, msgspec.structs.replace(running_state(), children={}))
    record_streams(tmp_path, ["EVENTS"])
    assert recorded_streams(tmp_path) == frozenset()
    assert not DataFolder(tmp_path).streams.exists()


def test_damaged_manifest_of_streams_is_named(tmp_path: Path) -> None:
    (tmp_path / "streams.json").write_text("[1")
    with pytest.raises(DataFolderError, match="manifest"):
        recorded_streams(tmp_path)


def test_broker_that_lost_a_stream_is_refused() -> None:
    refuse_lost_streams(frozenset(), frozenset({"NEW"}), "nats")
    with pytest.raises(EngineError, match=r"lost 1 of 2 streams \(DEAD\)"):
        refuse_lost_streams(frozenset({"EVENTS", "DEAD"}), frozenset({"EVENTS"}), "nats")
