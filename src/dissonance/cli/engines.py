"""`dissonance up`, `status` and `down`: the embedded engines of one data folder."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer
from rich.markup import escape
from rich.status import Status
from rich.table import Table

from dissonance.adapters.tls.required import unprotected
from dissonance.cli.options import variables_of
from dissonance.cli.output import console, emit, emit_json, error_console
from dissonance.cli.tables import FittingTable
from dissonance.errors import EngineError, TimedOut
from dissonance.security.tls import Wire
from dissonance.settings import Settings, given_addresses, read_settings

if TYPE_CHECKING:
    from dissonance.adapters.embedded.addresses import EngineAddresses
    from dissonance.adapters.embedded.engines import EmbeddedEngines, EnginesSpecification
    from dissonance.adapters.embedded.status import EngineStatus

DOWN_LIMIT_S = 45.0
"""Seconds: three engines of ten seconds each, and time to spare."""

Data = Annotated[Path | None, typer.Option("--data", help="The data folder. Default: $DISSONANCE_DATA.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON on stdout, for programs.")]


class UpAnswer(msgspec.Struct, frozen=True):
    """The line that `up --json` prints when all engines answer. The addresses carry what clients need to connect,
    the broker's password included."""

    data: str
    pid: int
    addresses: EngineAddresses


class DownAnswer(msgspec.Struct, frozen=True):
    """`stopped_pid`: of the supervisor; none when nothing was running."""

    data: str
    stopped_pid: int | None


def up(
    data: Data = None,
    nats_port: Annotated[int, typer.Option(min=0, max=65535, help="NATS port; 0 takes any free one.")] = 0,
    mlflow_port: Annotated[int, typer.Option(min=0, max=65535, help="MLflow port; 0 takes any free one.")] = 0,
    nats_sync: Annotated[str, typer.Option(help="When the broker puts data on disk: always, or as 2m.")] = "always",
    as_json: AsJson = False,
) -> None:
    """Start PostgreSQL, NATS and MLflow, and keep them running until Ctrl-C or `dissonance down`."""
    from dissonance.adapters.clock import SystemRandomness
    from dissonance.adapters.embedded.engines import EnginesSpecification
    from dissonance.bootstrap_keys import key_guards

    settings = settings_of(data)
    specification = EnginesSpecification(
        folder=settings.data_folder,
        keys_folder=settings.keys_folder,
        environment=dict(os.environ),
        external=given_addresses(settings),
        names=settings.names,
        nats_port=nats_port,
        mlflow_port=mlflow_port,
        nats_sync_interval=nats_sync,
        token_issuer=settings.token_issuer,
        token_audience=settings.token_audience,
        guards=key_guards(settings, SystemRandomness()),
    )
    asyncio.run(_up(settings, specification, as_json))


def status(data: Data = None, as_json: AsJson = False) -> None:
    """Show how each engine does. The exit code is 0 when all are ready, else 1."""
    from dissonance.adapters.embedded.status import engine_statuses

    settings = settings_of(data)
    statuses = asyncio.run(engine_statuses(settings.data_folder, given_addresses(settings)))
    emit(statuses, as_json, _status_table(statuses, settings.data_folder))
    raise typer.Exit(0 if all(engine.running and engine.ready for engine in statuses) else 1)


def down(data: Data = None, as_json: AsJson = False) -> None:
    """Stop the engines of the data folder, and wait until they have ended. Does nothing when none run."""
    folder = settings_of(data).data_folder
    pid = _stop_supervisor(folder)
    human = f"nothing was running on {folder}" if pid is None else f"stopped the engines of {folder} (pid {pid})"
    emit(DownAnswer(str(folder), pid), as_json, escape(human))


def settings_of(data: Path | None) -> Settings:
    """The settings of the environment, with the data folder of `--data` where it is given."""
    return read_settings(variables_of(data))


async def _up(settings: Settings, specification: EnginesSpecification, as_json: bool) -> None:
    from dissonance.adapters.clock import SystemRandomness
    from dissonance.adapters.embedded.engines import EmbeddedEngines
    from dissonance.bootstrap import preparation

    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    with Status("starting", console=error_console) as display:
        reporter = _Reporter(specification.folder, display, quiet=as_json)
        engines = EmbeddedEngines(specification, SystemRandomness(), reporter.report, preparation=preparation(settings))
        try:
            addresses = await _start_unless_stopped(engines, stop)
            if addresses is not None:
                display.stop()
                for line in plain_engines(addresses, settings.plain):
                    reporter.report(line)
                _announce(specification, addresses, as_json)
                await engines.run_until(stop)
        finally:
            await engines.stop()
            reporter.close()


def plain_engines(addresses: EngineAddresses, plain: Collection[Wire]) -> list[str]:
    """What a start warns of: engines that a setting lets be reached without TLS, and that are."""
    engines = (wire for wire in unprotected(addresses, plain) if wire not in (Wire.HTTP, Wire.GRPC))
    return [f"WARNING: {wire} is talked to without TLS, as DISSONANCE_PLAIN_CONNECTIONS lets it be" for wire in engines]


async def _start_unless_stopped(engines: EmbeddedEngines, stop: asyncio.Event) -> EngineAddresses | None:
    """The addresses, or none when a signal came while they were starting; nothing runs then."""
    starting = asyncio.create_task(engines.start())
    stopped = asyncio.create_task(stop.wait())
    await asyncio.wait([starting, stopped], return_when=asyncio.FIRST_COMPLETED)
    stopped.cancel()
    if starting.done():
        return starting.result()
    starting.cancel()
    await asyncio.wait([starting])
    return None


class _Reporter:
    """What the supervisor says: on the terminal for people, and in the folder's own log."""

    def __init__(self, folder: Path, display: Status, *, quiet: bool) -> None:
        self._log_path = folder / "logs" / "supervisor.log"
        self._display = display
        self._quiet = quiet
        self._handler: logging.FileHandler | None = None

    def report(self, line: str) -> None:
        if not self._quiet:
            self._display.update(escape(line))
            error_console.print(line, style="dim", markup=False)
        if self._handler is None:
            # Only now: the folder is made, and known to be ours, after the lock was taken.
            self._handler = logging.FileHandler(self._log_path, encoding="utf-8")
            self._handler.setFormatter(logging.Formatter("%(asctime)s [%(process)d] %(message)s"))
        self._handler.handle(logging.makeLogRecord({"msg": line, "process": os.getpid()}))

    def close(self) -> None:
        if self._handler is not None:
            self._handler.close()


def _announce(specification: EnginesSpecification, addresses: EngineAddresses, as_json: bool) -> None:
    from dissonance.adapters.embedded.status import without_password

    if as_json:
        emit_json(UpAnswer(str(specification.folder), os.getpid(), addresses))
        return
    table = Table(title="Ready", show_header=False)
    places = {
        "PostgreSQL": without_password(addresses.database_url),
        "NATS": without_password(addresses.nats_url),
        "MLflow": addresses.mlflow_url,
        "data folder": str(specification.folder),
        "keys": str(specification.keys_folder),
        "authority": "" if addresses.tls is None else addresses.tls.authority,
        "logs": str(specification.folder / "logs"),
    }
    for name, place in places.items():
        table.add_row(name, escape(place))
    console.print(table)
    if addresses.tls is not None:
        console.print(f"Clients trust the authority: curl --cacert {addresses.tls.authority} https://…", markup=False)
    console.print("Ctrl-C, or `dissonance down`, stops all of it.", markup=False)


def _status_table(statuses: list[EngineStatus], folder: Path) -> Table:
    table = FittingTable(title=escape(f"Engines of {folder}"))
    for heading in ("engine", "state", "pid", "memory", "address"):
        table.add_column(heading, overflow="fold")
    for engine in statuses:
        ready = engine.running and engine.ready
        table.add_row(
            engine.name,
            "[green]ready[/green]" if ready else f"[red]{escape(engine.problem or 'it is not running')}[/red]",
            "external" if engine.external else str(engine.pid or ""),
            "" if engine.memory_mb is None else f"{engine.memory_mb:.0f} MB",
            escape(engine.address),
        )
    return table


def _stop_supervisor(folder: Path) -> int | None:
    """Its pid, once it has ended; none when there is none. Raises `TimedOut`."""
    from dissonance.adapters.embedded.process import wait_until_gone
    from dissonance.adapters.embedded.state import read_state

    state = read_state(folder)
    if state is None:
        return None
    pid = state.supervisor.pid
    try:
        os.kill(pid, signal.SIGTERM)
    except ProcessLookupError:
        return pid
    except PermissionError as error:
        raise EngineError(
            f"the supervisor (pid {pid}) belongs to another user", where=str(folder), fix="stop it as that user"
        ) from error
    if not wait_until_gone(state.supervisor, DOWN_LIMIT_S):
        raise TimedOut(
            f"the supervisor (pid {pid}) did not end within {DOWN_LIMIT_S:.0f} s",
            where=str(folder),
            fix=f"see {folder / 'logs'}; kill -9 {pid} ends it and its engines",
        )
    return pid
