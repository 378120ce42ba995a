"""One child process: how it is started, watched and stopped, with its whole process group."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from pathlib import Path

import msgspec
import psutil

from dissonance.adapters.embedded.account import OWN, Account
from dissonance.errors import EngineError

SHIM = Path(__file__).with_name("shim.py")
STOP_LIMIT_S = 10.0
"""Seconds a child has to end by itself before its group is killed."""

LOOK_EVERY_S = 0.05
"""Seconds between two looks at a process that is not our child."""


class Program(msgspec.Struct, frozen=True):
    """What to start: `argv[0]` is an absolute path; `environment` is all that the child sees."""

    name: str
    argv: tuple[str, ...]
    environment: dict[str, str]
    folder: Path
    log: Path
    stop_signal: signal.Signals = signal.SIGTERM
    account: Account = OWN


class ProcessIdentity(msgspec.Struct, frozen=True):
    """A pid and what tells it from a later process of the same number.

    `started`: seconds since 1970 at which the system says it began; `argv`: the last words of its command line.
    """

    pid: int
    started: float
    argv: tuple[str, ...]


class Child:
    """A running program in a process group of its own."""

    def __init__(self, program: Program, process: asyncio.subprocess.Process, identity: ProcessIdentity) -> None:
        self.program = program
        self.identity = identity
        self._process = process

    @classmethod
    async def start(cls, program: Program) -> Child:
        """Start it, its output appended to its log. Raises `EngineError` when the system cannot."""
        shim = (sys.executable, "-I", "-S", str(SHIM), str(os.getpid()), str(int(program.stop_signal)))
        account = (str(program.account.uid), str(program.account.gid))
        try:
            with program.log.open("ab") as log:
                process = await asyncio.create_subprocess_exec(
                    *shim,
                    *account,
                    *program.argv,
                    stdin=asyncio.subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    cwd=program.folder,
                    env=program.environment,
                    start_new_session=True,
                )
        except OSError as error:
            raise EngineError(
                f"{program.name} cannot be started: {error.strerror or error}",
                where=str(error.filename or program.argv[0]),
                fix="free memory and disk space, and see that the program is installed",
            ) from error
        return cls(program, process, ProcessIdentity(process.pid, _start_time(process.pid), program.argv))

    @property
    def is_running(self) -> bool:
        return self._process.returncode is None

    async def exited(self) -> int:
        """Wait for its end; the exit code, negative for a signal."""
        return await self._process.wait()

    async def stop(self, limit_s: float = STOP_LIMIT_S) -> None:
        """Ask it to end, and kill its whole group when it has not after `limit_s` seconds."""
        if self.is_running:
            _signal_group(self.identity.pid, self.program.stop_signal, only_leader=True)
            try:
                async with asyncio.timeout(limit_s):
                    await self._process.wait()
            except TimeoutError:
                _signal_group(self.identity.pid, signal.SIGKILL)
                await self._process.wait()
        self.kill_rest()

    def send(self, number: signal.Signals) -> None:
        _signal_group(self.identity.pid, number, only_leader=True)

    def kill_rest(self) -> None:
        """Kill what its group left behind, so that nothing holds its port or its files."""
        _signal_group(self.identity.pid, signal.SIGKILL)


def _start_time(pid: int) -> float:
    try:
        return float(psutil.Process(pid).create_time())
    except psutil.NoSuchProcess:
        return 0.0


def _signal_group(pid: int, number: signal.Signals, *, only_leader: bool = False) -> None:
    try:
        if only_leader:
            os.kill(pid, number)
        else:
            os.killpg(pid, number)
    except (ProcessLookupError, PermissionError):
        # Gone already; on macOS a group of zombies answers with EPERM.
        return


def find_process(identity: ProcessIdentity) -> psutil.Process | None:
    """The process, when it still is the one that was recorded; another process of the same number is not."""
    try:
        process = psutil.Process(identity.pid)
        same_start = abs(process.create_time() - identity.started) < 2.0
        same_command = tuple(process.cmdline())[-len(identity.argv) :] == identity.argv
        alive = process.status() != psutil.STATUS_ZOMBIE
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return None
    return process if same_start and same_command and alive else None


def wait_until_gone(identity: ProcessIdentity, limit_s: float) -> bool:
    """Wait, blocking, for the end of a process that need not be our child; whether it ended within `limit_s` seconds.

    One that ended but was not yet collected by its parent has ended too.
    """
    for _ in range(round(limit_s / LOOK_EVERY_S)):
        if find_process(identity) is None:
            return True
        time.sleep(LOOK_EVERY_S)
    return find_process(identity) is None


def stop_left_over(identity: ProcessIdentity, stop_signal: signal.Signals, limit_s: float = STOP_LIMIT_S) -> bool:
    """End what a killed supervisor left behind; whether there was anything. Raises `EngineError` when it stays."""
    if find_process(identity) is None:
        return False
    # The leader is alive, so its number is also the number of its group, and of nobody else's.
    _signal_group(identity.pid, stop_signal, only_leader=True)
    if not wait_until_gone(identity, limit_s):
        _signal_group(identity.pid, signal.SIGKILL)
        if not wait_until_gone(identity, limit_s):
            raise EngineError(
                f"a process of an earlier start, pid {identity.pid}, does not end",
                where=" ".join(identity.argv[:3]),
                fix=f"kill -9 {identity.pid}, then start again",
            )
    _signal_group(identity.pid, signal.SIGKILL)
    return True
