"""How each engine does now: for `dissonance status`, for health checks and for records of memory."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import msgspec
import psutil

from dissonance.adapters.embedded.addresses import EngineAddresses, EngineName
from dissonance.adapters.embedded.mlflow import check_mlflow
from dissonance.adapters.embedded.nats import present_streams
from dissonance.adapters.embedded.postgres import check_postgres
from dissonance.adapters.embedded.process import ProcessIdentity, find_process
from dissonance.adapters.embedded.state import read_state
from dissonance.errors import EngineError

MEGABYTE = 1_000_000


class EngineStatus(msgspec.Struct, frozen=True):
    """`address`: without its password. `pid`, `memory_mb`: of the engine and its processes; none for external ones.

    `memory_mb`: megabytes, shared pages divided among the processes that share them (PSS) where the system tells.
    `problem`: why it is not ready, else empty.
    """

    name: str
    running: bool
    ready: bool
    external: bool
    address: str
    pid: int | None = None
    memory_mb: float | None = None
    problem: str = ""


async def engine_statuses(folder: Path, external: EngineAddresses) -> list[EngineStatus]:
    """One status an engine, in order of start: those of `external` addresses, the rest of data folder `folder`."""
    state = read_state(folder)
    ours = state.addresses if state else EngineAddresses()
    children = state.children if state else {}
    tls = external.tls or ours.tls
    problems = await asyncio.gather(
        _postgres_problem(
            external.database_url or ours.database_url, external.keys_database_url or ours.keys_database_url
        ),
        _problem(partial(present_streams, tls=tls), external.nats_url or ours.nats_url),
        _problem(partial(check_mlflow, tls=tls), external.mlflow_url or ours.mlflow_url),
    )
    addresses = (
        (EngineName.POSTGRESQL, external.database_url, ours.database_url),
        (EngineName.NATS, external.nats_url, ours.nats_url),
        (EngineName.MLFLOW, external.mlflow_url, ours.mlflow_url),
    )
    return [
        _status(name, theirs, our, children.get(name), problem)
        for (name, theirs, our), problem in zip(addresses, problems, strict=True)
    ]


async def _postgres_problem(*urls: str) -> str:
    """Both databases must answer."""
    problems = [await _problem(check_postgres, url) for url in urls]
    return next((problem for problem in problems if problem), "")


async def _problem(check: Callable[[str], Awaitable[object]], url: str) -> str:
    """Why the engine at this address is not ready; empty when it is, and where there is no address."""
    try:
        if url:
            await check(url)
    except EngineError as error:
        return error.what
    return ""


def _status(name: EngineName, external: str, ours: str, child: ProcessIdentity | None, problem: str) -> EngineStatus:
    address = external or ours
    process = find_process(child) if child is not None and not external else None
    return EngineStatus(
        name=name.value,
        running=process is not None or (bool(external) and not problem),
        ready=bool(address) and not problem,
        external=bool(external),
        address=without_password(address),
        pid=process.pid if process else None,
        memory_mb=memory_mb(process) if process else None,
        problem=problem or ("" if address else "it is not running"),
    )


def without_password(url: str) -> str:
    """An address fit to be shown.

    >>> without_password("nats://dissonance:secret@127.0.0.1:4222")
    'nats://127.0.0.1:4222'
    >>> without_password("postgresql://postgres@/dissonance?host=/data/postgres&password=secret")
    'postgresql:///dissonance?host=/data/postgres'
    """
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    socket_folder = parse_qs(parts.query).get("host", [""])[0]
    query = f"?host={socket_folder}" if socket_folder else ""
    return f"{parts.scheme}://{host}{parts.path}{query}" if url else ""


def memory_mb(process: psutil.Process) -> float:
    """Megabytes of a process and all below it; processes that end meanwhile count as nothing."""
    return round(sum(_bytes_of(one) for one in [process, *process.children(recursive=True)]) / MEGABYTE, 1)


def _bytes_of(process: psutil.Process) -> int:
    try:
        return int(process.memory_full_info().pss)
    except (psutil.AccessDenied, AttributeError):
        # Another user's process, or a system without PSS: resident pages, counted in full.
        return int(process.memory_info().rss)
    except psutil.NoSuchProcess:
        return 0
