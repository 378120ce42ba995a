"""Starting what is measured, each server a process of its own."""

from __future__ import annotations

import asyncio
import os
import socket
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple

import aiohttp
import lightgbm
import mlflow.lightgbm
import msgspec
import psutil

from dissonance.drills.children import memory_of
from dissonance.errors import EngineError, TimedOut

READY_S = 90.0


class Server(NamedTuple):
    """`url`: what is asked; `pids`: whose processor time and memory count."""

    name: str
    url: str
    pids: tuple[int, ...]

    def cpu_s(self) -> float:
        """Processor seconds so far, children included."""
        return sum(_cpu_s(pid) for pid in self.pids)

    def memory_bytes(self) -> int:
        return sum(memory_of(pid) for pid in self.pids)


class _Ready(msgspec.Struct):
    url: str


@asynccontextmanager
async def variant(name: str, data: Path, path: str, logs: Path) -> AsyncIterator[Server]:
    """A server of `serving.variants`; `path` is what comes after its address."""
    command = (sys.executable, "-m", "serving.variants", name, str(data))
    async with _running(command, logs / f"{name}.log") as process:
        assert process.stdout is not None
        line = await asyncio.wait_for(process.stdout.readline(), READY_S)
        try:
            url = msgspec.json.decode(line, type=_Ready).url
        except msgspec.MsgspecError as error:
            raise EngineError(f"'{name}' did not start", where=str(logs / f"{name}.log"), fix="read its log") from error
        yield Server(name, url + path, (process.pid,))


@asynccontextmanager
async def mlflow_server(booster: lightgbm.Booster, folder: Path, logs: Path) -> AsyncIterator[Server]:
    """MLflow's own scoring server on this model, one worker."""
    mlflow.lightgbm.save_model(booster, str(folder))
    port = _free_port()
    command: tuple[str, ...] = (
        sys.executable,
        "-m",
        "mlflow",
        "models",
        "serve",
        "--model-uri",
        str(folder),
        "--env-manager",
        "local",
    )
    command += ("--host", "127.0.0.1", "--port", str(port), "--workers", "1")
    async with _running(command, logs / "mlflow-serve.log", is_read=False) as process:
        base = f"http://127.0.0.1:{port}"
        await _until_answered(f"{base}/ping")
        yield Server("mlflow", f"{base}/invocations", (process.pid,))


@asynccontextmanager
async def _running(
    command: tuple[str, ...], log: Path, *, is_read: bool = True
) -> AsyncIterator[asyncio.subprocess.Process]:
    """`is_read`: somebody reads what it prints; else that goes to the log too, or a full pipe would stop it."""
    with log.open("wb") as errors:
        process = await asyncio.create_subprocess_exec(
            *command,
            stdout=asyncio.subprocess.PIPE if is_read else errors,
            stderr=errors,
            env=_environment(os.environ),
            start_new_session=True,
        )
    try:
        yield process
    finally:
        children = psutil.Process(process.pid).children(recursive=True) if process.returncode is None else []
        if process.returncode is None:
            process.terminate()
        for child in children:
            if child.is_running():
                child.terminate()
        await process.wait()


def _environment(own: Mapping[str, str]) -> dict[str, str]:
    """Ours without settings of a system that somebody runs here; MLflow looks for uvicorn on the path."""
    kept = {name: value for name, value in own.items() if not name.startswith("DISSONANCE_")}
    return {**kept, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{own.get('PATH', '')}"}


async def _until_answered(url: str) -> None:
    async with aiohttp.ClientSession() as session:
        for _ in range(int(READY_S / 0.5)):
            try:
                async with session.get(url) as reply:
                    if reply.status == 200:
                        return
            except aiohttp.ClientError:
                pass
            await asyncio.sleep(0.5)
    raise TimedOut(f"no answer after {READY_S:g} s", where=url, fix="read its log")


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def _cpu_s(pid: int) -> float:
    total = 0.0
    process = psutil.Process(pid)
    for each in (process, *process.children(recursive=True)):
        times = each.cpu_times()
        total += times.user + times.system
    return total
