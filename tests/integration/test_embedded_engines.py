"""`dissonance up`, `status` and `down` on real engines: what is killed comes back, what is refused stays whole."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import nats
import psycopg
import pytest

from dissonance.adapters.clock import SystemRandomness
from dissonance.adapters.embedded.account import unprivileged_account
from dissonance.adapters.embedded.addresses import EngineAddresses
from dissonance.adapters.embedded.engines import EmbeddedEngines
from dissonance.adapters.embedded.folder import DataFolder
from dissonance.adapters.embedded.mlflow import check_mlflow
from dissonance.adapters.embedded.nats import present_streams
from dissonance.adapters.embedded.postgres import WHEEL, PostgresEngine, check_postgres
from dissonance.adapters.embedded.process import find_process
from dissonance.adapters.embedded.state import engine_pids, read_recorded_state, read_state
from dissonance.adapters.embedded.status import engine_statuses
from dissonance.adapters.embedded.streams import record_streams, recorded_streams
from dissonance.adapters.embedded.supervisor import SupervisedEngine
from dissonance.adapters.nats.securing import secured
from dissonance.errors import DataFolderError, EngineError
from dissonance.security.tls import client_context
from support.engines import running_engines, specification

COMMAND = (sys.executable, "-m", "dissonance")
ENVIRONMENT = {name: value for name, value in os.environ.items() if not name.startswith("DISSONANCE_")}


def command(*arguments: str) -> tuple[int, Any]:
    """Exit code and JSON answer of one command line."""
    done = subprocess.run(
        [*COMMAND, *arguments, "--json"], env=ENVIRONMENT, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.stdout, done.stderr
    return done.returncode, json.loads(done.stdout)


@contextmanager
def up(folder: Path, *options: str) -> Iterator[tuple[subprocess.Popen[str], EngineAddresses]]:
    process = subprocess.Popen(
        [*COMMAND, "up", "--data", str(folder), "--json", *options], env=ENVIRONMENT, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    with process, process.stdout:
        try:
            answer = json.loads(process.stdout.readline())
            assert answer["pid"] == process.pid
            yield process, msgspec.convert(answer["addresses"], EngineAddresses)
        finally:
            process.terminate()
            process.wait(timeout=60)


async def until(happened: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not happened():
            await asyncio.sleep(0.05)


def add_stream(addresses: EngineAddresses, name: str) -> None:
    assert addresses.tls is not None
    options = secured(addresses.nats_url, client_context(addresses.tls))

    async def scenario() -> None:
        client = await nats.connect(addresses.nats_url, **options)
        await client.jetstream().add_stream(name=name, subjects=[f"{name}.>"])
        await client.jetstream().publish(f"{name}.x", b"kept")
        await client.close()

    asyncio.run(scenario())


def test_up_status_down_and_up_again(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    with up(folder) as (process, addresses):
        code, statuses = command("status", "--data", str(folder))
        assert code == 0
        assert [engine["name"] for engine in statuses] == ["postgresql", "nats", "mlflow"]
        assert [engine["name"] for engine in statuses if not engine["running"]] == []
        assert [engine["name"] for engine in statuses if not engine["ready"]] == []
        assert [engine["name"] for engine in statuses if not engine["memory_mb"] > 0] == []
        password = addresses.nats_url.partition(":")[2].partition("@")[0].rpartition(":")[2]
        assert password not in json.dumps(statuses)
        children = read_recorded_state(folder)
        assert children is not None

        with psycopg.connect(addresses.database_url) as connection:
            assert connection.execute("SHOW fsync").fetchone() == ("on",)
            connection.execute("CREATE TABLE kept (n int)")
        with psycopg.connect(addresses.keys_database_url) as connection:
            assert connection.execute("SELECT current_database()").fetchone() == ("dissonance_keys",)

        code, answer = command("up", "--data", str(folder))
        assert (code, answer["error"]) == (6, "data-folder-busy")
        assert f"pid {process.pid}" in answer["what"]

        assert command("down", "--data", str(folder)) == (0, {"data": str(folder), "stopped_pid": process.pid})
        assert process.wait(timeout=10) == 0
        assert [find_process(child) for child in children.children.values()] == [None, None, None]

    code, statuses = command("status", "--data", str(folder))
    assert code == 1
    assert not any(engine["running"] or engine["ready"] for engine in statuses)
    assert command("down", "--data", str(folder)) == (0, {"data": str(folder), "stopped_pid": None})

    with running_engines(folder, nats=False) as again, psycopg.connect(again.database_url) as connection:
        assert connection.execute("SELECT count(*) FROM kept").fetchone() == (0,)
    with running_engines(folder, postgres=False) as again:
        assert again.nats_url == addresses.nats_url  # so that a role that outlived `up` finds its broker


def test_each_engine_that_is_killed_comes_back_at_the_same_address(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    with up(folder) as (_, addresses):
        before = engine_pids(folder)
        for pid in before.values():
            os.kill(pid, signal.SIGKILL)

        def all_are_back() -> bool:
            now = engine_pids(folder)
            return now.keys() == before.keys() and not set(now.values()) & set(before.values())

        async def until_all_are_ready() -> None:
            async with asyncio.timeout(60):
                while not all(engine.ready for engine in await engine_statuses(folder, EngineAddresses())):
                    await asyncio.sleep(0.05)

        asyncio.run(until(all_are_back))
        asyncio.run(until_all_are_ready())
        assert command("status", "--data", str(folder))[0] == 0
        state = read_state(folder)
        assert state is not None
        assert state.addresses == addresses
        asyncio.run(check_mlflow(addresses.mlflow_url, addresses.tls))


def test_supervisor_that_is_killed_takes_its_engines_along_and_up_works_again(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    with up(folder) as (process, _):
        state = read_state(folder)
        assert state is not None
        process.kill()
        process.wait(timeout=10)
        asyncio.run(until(lambda: not any(find_process(child) for child in state.children.values())))
    assert read_state(folder) is None
    assert folder.joinpath("lock").exists()
    with running_engines(folder) as addresses:
        asyncio.run(check_postgres(addresses.database_url))


def test_signal_while_starting_leaves_nothing_running(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    process = subprocess.Popen([*COMMAND, "up", "--data", str(folder)], env=ENVIRONMENT, stderr=subprocess.DEVNULL)
    with process:
        asyncio.run(until(lambda: "mlflow" in getattr(read_recorded_state(folder), "children", {})))
        state = read_recorded_state(folder)
        assert state is not None
        assert not state.ready
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=60) == 0
    assert not any(find_process(child) for child in state.children.values())
    assert not (folder / "state.json").exists()


def test_half_initialised_folder_is_continued(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    half = folder / "postgres.initialising"
    half.mkdir(parents=True)
    (half / "PG_VERSION").write_text("18\n")
    with running_engines(folder, nats=False) as addresses, psycopg.connect(addresses.database_url) as connection:
        assert connection.execute("SHOW data_checksums").fetchone() == ("on",)
    assert not half.exists()


def test_wrong_key_of_the_broker_is_refused_and_the_right_one_finds_everything(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    with running_engines(folder, postgres=False) as addresses:
        add_stream(addresses, "EVENTS")
        record_streams(folder, ["EVENTS"])
    key = folder / "keys" / "nats-store.key"
    right = key.read_text()
    key.write_text("k" + "0" * 64)
    with pytest.raises(EngineError, match=r"lost 1 of 1 streams \(EVENTS\)"):
        asyncio.run(EmbeddedEngines(specification(folder, postgres=False), SystemRandomness()).start())
    assert read_recorded_state(folder) is None
    key.write_text(right)
    assert recorded_streams(folder) == {"EVENTS"}
    with running_engines(folder, postgres=False) as addresses:
        assert asyncio.run(present_streams(addresses.nats_url, addresses.tls)) == {"EVENTS"}


def test_missing_key_file_is_refused_before_anything_starts(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    with running_engines(folder, postgres=False):
        pass
    (folder / "keys" / "nats-store.key").unlink()
    code, answer = command("up", "--data", str(folder))
    assert (code, answer["error"]) == (6, "data-folder")
    assert "nats-store.key is missing" in answer["what"]


@pytest.mark.parametrize("engine", ["nats", "mlflow"])
def test_fixed_port_that_is_taken_is_refused(tmp_path: Path, engine: str) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        code, answer = command("up", "--data", str(tmp_path / "data"), f"--{engine}-port", str(port))
    assert (code, answer["error"]) == (5, "engine")
    assert f"port {port}" in answer["what"]
    assert f"--{engine}-port" in answer["fix"]
    assert read_recorded_state(tmp_path / "data") is None


def test_external_engines_get_no_child(tmp_path: Path, engines: EngineAddresses) -> None:
    """The database and the broker are those of the session; MLflow starts here, on a database of its own there."""
    wanted = specification(tmp_path / "data", mlflow=True)
    external = EngineAddresses(engines.database_url, engines.keys_database_url, engines.nats_url, tls=engines.tls)

    async def scenario() -> None:
        embedded = EmbeddedEngines(
            type(wanted)(folder=wanted.folder, keys_folder=wanted.keys_folder, environment={}, external=external),
            SystemRandomness(),
        )
        addresses = await embedded.start()
        try:
            assert addresses.database_url == engines.database_url
            assert addresses.nats_url == engines.nats_url
            assert set(engine_pids(wanted.folder)) == {"mlflow"}
        finally:
            await embedded.stop()

    asyncio.run(scenario())
    with psycopg.connect(engines.database_url.replace("/dissonance?", "/mlflow?")) as connection:
        assert connection.execute("SELECT count(*) FROM experiments").fetchone() == (1,)


def test_postgres_runs_from_a_wheel_and_a_folder_that_its_account_cannot_reach(tmp_path: Path) -> None:
    """As in a clone under /root: neither is opened up for others, and a path too long for a socket is no obstacle."""
    private = tmp_path / "private"
    private.mkdir(mode=0o700)
    installed = Path(str(PostgresEngine(DataFolder(private), unprivileged_account(), {})._wheel))
    for name in (WHEEL, f"{WHEEL}.libs"):
        shutil.copytree(installed.parent / name, private / name, ignore=shutil.ignore_patterns("pginstall", "include"))
    folder = DataFolder(private / ("long" * 25))
    folder.open()
    account = unprivileged_account()
    engine = PostgresEngine(folder, account, ENVIRONMENT, wheel=private / WHEEL)
    supervised = SupervisedEngine(engine, report=lambda line: None, started=lambda name, identity: None)

    async def scenario() -> None:
        engine.initialise()
        await supervised.start()
        try:
            async with await psycopg.AsyncConnection.connect(engine.url("postgres")) as connection:
                row = await (await connection.execute("SELECT 1")).fetchone()
                assert row == (1,)
        finally:
            await supervised.stop()

    asyncio.run(scenario())
    scratch = engine.scratch
    assert len(scratch) == (2 if account.is_other else 1)
    engine.remove_scratch()
    folder.close()
    assert not any(path.exists() for path in scratch)
    assert private.stat().st_mode & 0o777 == 0o700


def test_newer_data_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "VERSION").write_text("99\n")
    with pytest.raises(DataFolderError, match="version 99"):
        asyncio.run(EmbeddedEngines(specification(tmp_path), SystemRandomness()).start())
    assert [path.name for path in tmp_path.iterdir() if path.name != "lock"] == ["VERSION"]
