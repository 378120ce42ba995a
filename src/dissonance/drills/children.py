"""A `dissonance` command as a child process: started, awaited until ready, stopped, killed, measured.

Every child is the leader of its own session, so that Ctrl-C in the terminal reaches only the parent, which then
stops the children in the right order.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO

import msgspec
import psutil

from dissonance.adapters.embedded.process import SHIM
from dissonance.errors import DissonanceError, EngineError, TimedOut
from dissonance.errors_by_slug import errors_by_slug
from dissonance.settings import PREFIX, Settings

READY_S = 120.0  # seconds a child may take to say that it is ready
AGAIN_S = 0.5  # seconds between two starts of a child that did not become ready
STOP_S = 30.0  # seconds a child may take to stop before it is killed
MAX_LINE = 16_777_216  # bytes of one line of JSON that a command prints
LOG_TAIL = 2000  # characters of a failed child's log that go into the error


class Child:
    """One running command that prints a JSON object in one line when it is ready, and logs to `log`."""

    def __init__(self, name: str, process: asyncio.subprocess.Process, ready: dict[str, Any], log: Path) -> None:
        self.name = name
        self.process = process
        self.ready = ready
        self.log = log
        self._drain = asyncio.create_task(_copy(process, log))

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def running(self) -> bool:
        return self.process.returncode is None

    async def stop(self, grace_s: float = STOP_S) -> int:
        """SIGTERM, then SIGKILL after `grace_s` seconds; returns the exit code (negative: the signal)."""
        if self.running:
            self.process.send_signal(signal.SIGTERM)
            try:
                await asyncio.wait_for(self.process.wait(), grace_s)
            except TimeoutError:
                self.process.kill()
        return await self._ended()

    async def kill(self) -> int:
        """SIGKILL: what a crash looks like."""
        if self.running:
            self.process.kill()
        return await self._ended()

    async def _ended(self) -> int:
        code = await self.process.wait()
        await self._drain
        return code

    def memory_bytes(self) -> int:
        """Memory of the child and all of its own children; see `memory_of`."""
        return memory_of(self.pid)


def command_line(
    arguments: Sequence[str], settings: Mapping[str, str], variables: Mapping[str, str] | None = None
) -> list[str]:
    """The command as this very Python would run it, installed script or not, under these settings and no others.

    `env` sets and unsets the variables, since nobody but `settings` reads the environment (design 6.5). `variables`
    are others that the child gets besides, as for a library that is put before all others.
    """
    names = [name for name in Settings.__struct_fields__ if name not in settings]
    unset = [word for name in names for word in ("-u", PREFIX + name.upper())]
    given = [f"{PREFIX}{name.upper()}={value}" for name, value in settings.items()]
    given += [f"{name}={value}" for name, value in (variables or {}).items()]
    # Should this process die without a word, the kernel stops the child (Linux), and it its own children.
    watched = (sys.executable, "-I", "-S", str(SHIM), str(os.getpid()), str(int(signal.SIGTERM)), "-1", "-1")
    return [*watched, "/usr/bin/env", *unset, *given, sys.executable, "-m", "dissonance", *arguments]


async def start_child(
    name: str,
    arguments: Sequence[str],
    settings: Mapping[str, str],
    logs: Path,
    ready_s: float = READY_S,
    variables: Mapping[str, str] | None = None,
) -> Child:
    """Start `dissonance <arguments>` and wait for its line of JSON.

    Raises the error that the child told of instead, `EngineError` when it ends without a word, `TimedOut` when it
    says nothing for `ready_s` seconds.
    """
    logs.mkdir(parents=True, exist_ok=True)
    log = logs / f"{name}.log"
    with log.open("ab") as file:
        process = await _spawn(command_line(arguments, settings, variables), file)
    try:
        line = await asyncio.wait_for(_first_object(process, log), ready_s)
    except TimeoutError as error:
        await _abandon(process)
        raise TimedOut(f"'{name}' was not ready after {ready_s:.0f} s", where=str(log), fix="read its log") from error
    except BaseException:
        await _abandon(process)
        raise
    told = _told(line)
    if told is not None or not line:
        code = await _end_of(process)
        raise told or _failure(name, code, log)
    return Child(name, process, msgspec.json.decode(line, type=dict[str, Any]), log)


async def start_until_ready(
    start: Callable[[], Awaitable[Child]], within_s: float, say: Callable[[str], None]
) -> Child:
    """What a supervisor does: start it again and again until it is ready, saying each time why it was not.

    Raises what the last start raised once `within_s` seconds are over, and at once what no engine is to blame for.
    """
    loop = asyncio.get_running_loop()
    end_s = loop.time() + within_s
    while True:
        try:
            return await start()
        except EngineError as error:
            if loop.time() + AGAIN_S >= end_s:
                raise
            say(f"not ready yet: {error.what}; starting it again")
        await asyncio.sleep(AGAIN_S)


async def run_command(
    name: str,
    arguments: Sequence[str],
    settings: Mapping[str, str],
    logs: Path,
    limit_s: float = 300.0,
    codes: Collection[int] = (0,),
    variables: Mapping[str, str] | None = None,
) -> Any:
    """Run `dissonance <arguments>` to its end and decode the JSON that it printed; None for nothing. With an exit code
    among `codes` it did what it was to do. `variables` as of `command_line`.

    Raises the error that the command told of, `EngineError` when it told of none, and `TimedOut`; the command is
    stopped when the caller is cancelled.
    """
    logs.mkdir(parents=True, exist_ok=True)
    log = logs / f"{name}.log"
    with log.open("ab") as file:
        process = await _spawn(command_line(arguments, settings, variables), file)
    try:
        printed, _ = await asyncio.wait_for(process.communicate(), limit_s)
    except TimeoutError as error:
        await _abandon(process)
        raise TimedOut(f"'{name}' did not end within {limit_s:.0f} s", where=str(log), fix="read its log") from error
    except BaseException:
        await _abandon(process)
        raise
    if process.returncode not in codes:
        with log.open("ab") as file:
            file.write(printed)
        raise _told(printed) or _failure(name, process.returncode, log)
    return _last_json(printed)


def memory_of(pid: int) -> int:
    """Bytes of memory that a process and its descendants hold, shared pages divided among those who share them.

    That is the proportional set size where the kernel tells it (Linux), else the resident set size.
    """
    total = 0
    with contextlib.suppress(psutil.NoSuchProcess):
        parent = psutil.Process(pid)
        for process in (parent, *parent.children(recursive=True)):
            with contextlib.suppress(psutil.NoSuchProcess, psutil.AccessDenied):
                memory = process.memory_full_info()
                total += getattr(memory, "pss", memory.rss)
    return total


async def _spawn(line: Sequence[str], errors: BinaryIO) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        *line,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=errors,
        start_new_session=True,
        limit=MAX_LINE,
    )


async def _first_object(process: asyncio.subprocess.Process, log: Path) -> bytes:
    """The first line of output that is a JSON object; nothing when the output ends. Other lines go to the log."""
    assert process.stdout is not None
    with log.open("ab") as file:
        while line := await process.stdout.readline():
            if _is_object(line):
                return line
            file.write(line)
            file.flush()
    return b""


async def _copy(process: asyncio.subprocess.Process, log: Path) -> None:
    assert process.stdout is not None
    with log.open("ab") as file:
        while block := await process.stdout.read(65_536):
            file.write(block)
            file.flush()


async def _end_of(process: asyncio.subprocess.Process) -> int | None:
    """Exit code of a child that has said its last; it is stopped should it stay."""
    try:
        return await asyncio.wait_for(process.wait(), STOP_S)
    except TimeoutError:
        await _abandon(process)
        return process.returncode


async def _abandon(process: asyncio.subprocess.Process) -> None:
    """Stop a child that nobody will hear from again; SIGTERM first, so that it stops its own children."""
    with contextlib.suppress(ProcessLookupError):
        process.terminate()
    try:
        await asyncio.wait_for(process.wait(), STOP_S)
    except TimeoutError:
        process.kill()
        await process.wait()


def _is_object(line: bytes) -> bool:
    try:
        msgspec.json.decode(line, type=dict[str, msgspec.Raw])
    except msgspec.MsgspecError:
        return False
    return True


def _last_json(printed: bytes) -> Any:
    lines = printed.strip().splitlines()
    if not lines:
        return None
    try:
        return msgspec.json.decode(lines[-1])
    except msgspec.MsgspecError:
        return _whole_json(printed)


def _whole_json(printed: bytes) -> Any:
    """What a command printed over several lines."""
    try:
        return msgspec.json.decode(printed)
    except msgspec.MsgspecError as error:
        raise EngineError("a command did not print JSON", where="its output", fix="give it --json") from error


class _ErrorTold(msgspec.Struct):
    """What a failing command prints with `--json`."""

    error: str
    what: str
    where: str = ""
    fix: str = ""


def _told(printed: bytes) -> DissonanceError | None:
    lines = printed.strip().splitlines()
    try:
        told = msgspec.json.decode(lines[-1] if lines else b"", type=_ErrorTold)
    except msgspec.MsgspecError:
        return None
    kind = errors_by_slug().get(told.error)
    return None if kind is None else kind(told.what, where=told.where, fix=told.fix)


def _failure(name: str, code: int | None, log: Path) -> EngineError:
    tail = log.read_text(errors="replace")[-LOG_TAIL:].strip()
    return EngineError(f"'{name}' ended with exit code {code}: {tail}", where=str(log), fix="read its log")
