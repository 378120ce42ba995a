"""`dissonance run`: roles in this process."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import sys
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from dissonance.cli.output import console, emit_json
from dissonance.settings import Settings, read_settings

ALL = "all"
ANSWERING = "proposer"
"""The role whose callers wait: a process without it lets others on the machine go first (ADR 69)."""

COLLECT_AFTER = (20_000, 20, 20)
"""Objects after which a generation is collected: a batch of requests makes thousands that live no longer than it."""


class RunAnswer(msgspec.Struct, frozen=True):
    """The line that `run --json` prints when the process takes requests."""

    url: str
    pid: int
    roles: list[str]
    grpc: str = ""  # host:port, where it is on


def run(
    roles: Annotated[list[str], typer.Argument(help="proposer, critic, gate, learner, evaluator; or all.")],
    data: Annotated[Path | None, typer.Option(help="The data folder. Default: $DISSONANCE_DATA.")] = None,
    host: Annotated[str | None, typer.Option(help="The address to listen on.")] = None,
    port: Annotated[int | None, typer.Option(min=0, max=65535, help="The port; 0 takes any free one.")] = None,
    grpc_port: Annotated[int | None, typer.Option(min=-1, max=65535, help="Of the proposer's gRPC; -1: none.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one line of JSON when ready, for programs.")] = False,
) -> None:
    """Run roles in this process, on the engines of the settings or of the data folder, until a signal."""
    from dissonance.roles.listed import ROLES
    from dissonance.telemetry.logs import configure_logging

    given = {
        "DISSONANCE_DATA": data,
        "DISSONANCE_HTTP_HOST": host,
        "DISSONANCE_HTTP_PORT": port,
        "DISSONANCE_GRPC_PORT": grpc_port,
    }
    settings = read_settings({**os.environ, **{name: str(value) for name, value in given.items() if value is not None}})
    names = list(ROLES) if ALL in roles else list(dict.fromkeys(roles))
    configure_logging(settings.log_level, sys.stderr, role="+".join(names))
    import uvloop

    from dissonance.web.connections import raise_descriptor_limit

    raise_descriptor_limit()
    if ANSWERING not in names:
        os.nice(settings.niceness)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_run(settings, names, as_json))


async def _run(settings: Settings, names: list[str], as_json: bool) -> None:
    from dissonance.bootstrap_roles import run_roles

    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)

    grpc = ""

    def note(address: str) -> None:
        nonlocal grpc
        grpc = address

    def announce(url: str) -> None:
        # What start-up made lives as long as the process: left out, a full collection takes no tenth of a second more.
        gc.collect()
        gc.freeze()
        gc.set_threshold(*COLLECT_AFTER)
        if as_json:
            emit_json(RunAnswer(url, os.getpid(), names, grpc))
        else:
            also = f", gRPC at {grpc}" if grpc else ""
            console.print(f"{', '.join(names)} at {url}{also}  (API: {url}/openapi.json; stop: Ctrl-C)", markup=False)

    await run_roles(settings, names, stop=stop, on_started=announce, on_grpc=note)
