"""Dagster's webserver and daemon as child processes on the loopback device, with an instance folder of our own."""

from __future__ import annotations

import http.client
import json
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from dissonance.adapters.dagster.instance import open_instance
from dissonance.errors import DataFolderError, EngineUnavailable

HOST = "127.0.0.1"
START_S = 120.0
STOP_S = 20.0
QUESTION = json.dumps({"query": "{ repositoriesOrError { ... on RepositoryConnection { nodes { name } } } }"})


class DagsterPages:
    """Both processes; `until_stopped` blocks, `stop` ends them."""

    def __init__(self, address: str, processes: list[subprocess.Popen[bytes]]) -> None:
        self.address = address
        self._processes = processes

    @classmethod
    def start(cls, folder: Path, location: str, environment: Mapping[str, str], port: int) -> DagsterPages:
        """Returns when the pages answer with what `location` has. Raises `EngineUnavailable` or `DataFolderError`."""
        try:
            with open_instance(folder):  # made before both processes look for it
                port = port or _free_port()
            log = (folder / "dagster.log").open("ab")
        except OSError as error:
            raise DataFolderError(
                f"Dagster's folder cannot be used: {error}", where=str(folder), fix="free space, and the right to write"
            ) from error
        variables = {**environment, "DAGSTER_HOME": str(folder), "PYTHONWARNINGS": "ignore"}
        commands = (
            ("dagster_webserver", "--host", HOST, "--port", str(port), "--module-name", location),
            ("dagster._daemon", "run", "--module-name", location),
        )
        with log:
            processes = [
                subprocess.Popen(  # noqa: S603 - words of ours only
                    [sys.executable, "-m", *command], env=variables, cwd=folder, stdout=log, stderr=log,
                    start_new_session=True,
                )
                for command in commands
            ]  # fmt: skip
        pages = cls(f"http://{HOST}:{port}", processes)
        try:
            pages._await(port, folder / "dagster.log")
        except BaseException:
            pages.stop()
            raise
        return pages

    def until_stopped(self) -> int:
        """0 when somebody stopped it, else the code of the process that ended by itself. Ends both."""
        try:
            with _terminating():
                while True:
                    for process in self._processes:
                        with suppress(subprocess.TimeoutExpired):
                            return process.wait(timeout=0.5)
        except KeyboardInterrupt:
            return 0
        finally:
            self.stop()

    def stop(self) -> None:
        for process in self._processes:
            with suppress(ProcessLookupError):
                process.send_signal(signal.SIGINT)
        for process in self._processes:
            try:
                process.wait(timeout=STOP_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def _await(self, port: int, log: Path) -> None:
        deadline = time.monotonic() + START_S
        while not _answers(port):
            ended = [process for process in self._processes if process.poll() is not None]
            if ended or time.monotonic() > deadline:
                raise EngineUnavailable(
                    ("Dagster ended" if ended else f"Dagster does not answer after {START_S:.0f} s") + _last_words(log),
                    where=str(log),
                    fix="see its log",
                )
            time.sleep(0.2)


class _terminating:
    """SIGTERM stops as Ctrl-C does, and Ctrl-C does also where a shell started this in the background: what is started
    so ignores SIGINT until it says otherwise."""

    def __enter__(self) -> None:
        each = (signal.SIGINT, signal.SIGTERM)
        self._before = {number: signal.signal(number, signal.default_int_handler) for number in each}

    def __exit__(self, *_: object) -> None:
        for number, before in self._before.items():
            signal.signal(number, before)


def _answers(port: int) -> bool:
    """Also with what the location has: the pages are there before it is read."""
    connection = http.client.HTTPConnection(HOST, port, timeout=10.0)
    try:
        connection.request("POST", "/graphql", QUESTION, {"Content-Type": "application/json"})
        answer = json.loads(connection.getresponse().read())
        return bool(answer["data"]["repositoriesOrError"].get("nodes"))
    except (OSError, http.client.HTTPException, ValueError, KeyError):
        return False
    finally:
        connection.close()


def _last_words(log: Path) -> str:
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    return f": {lines[-1].strip()}" if lines else ""


def _free_port() -> int:
    with socket.create_server((HOST, 0)) as probe:
        return int(probe.getsockname()[1])
