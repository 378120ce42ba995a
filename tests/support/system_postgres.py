"""The system's own PostgreSQL (Debian's), which has SSL: one cluster, by TCP, and for its superuser by a socket."""

from __future__ import annotations

import os
import secrets
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql

from dissonance.adapters.embedded.account import Account, give, unprivileged_account
from dissonance.adapters.embedded.loopback import choose_port
from dissonance.security.certificates import CLIENT, SERVER, certificate_of
from support.certificates import issued

NAME = "localhost"
"""The one that its certificate is for; not that of its address."""

OWNER, PART = "owner", "dissonance_critic"
START_TIMEOUT_S = 60.0

ACCESS = f"""\
local   all all           trust
host    all {OWNER}         all scram-sha-256
hostssl all {PART} all cert
"""
"""The owner comes with a password, by TLS or without, a part with a certificate of its name."""

SETTINGS = """\
listen_addresses = 'localhost'
unix_socket_directories = '{folder}'
port = {port}
ssl = on
ssl_cert_file = 'server.pem'
ssl_key_file = 'server.pem'
ssl_ca_file = 'ca.pem'
fsync = off
"""


def programs() -> Path:
    """Where there are none the test is skipped, and says so: `make test` installs them where it may."""
    found = Path("/usr/lib/postgresql").glob("*/bin/postgres")
    newest = max(found, key=lambda program: int(program.parts[-3]), default=None)
    if newest is None:
        pytest.skip("no PostgreSQL of the system (Debian, Ubuntu: apt install postgresql): none with SSL was tried")
    return newest.parent


class SystemPostgres:
    """`authority`: key and certificate of who vouches for it and for those who come with a certificate, PEM."""

    def __init__(self, folder: Path, account: Account, authority: bytes) -> None:
        self.folder = folder
        self.port = choose_port(engine="postgresql")
        self._authority = authority
        self.password = secrets.token_hex(16)
        self._account = account
        self._data = folder / "data"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        give(self.folder, self._account)
        initdb = [programs() / "initdb", "-D", self._data, "--username=postgres", "--auth=trust", "--no-sync"]
        subprocess.run(initdb, check=True, stdout=subprocess.DEVNULL, cwd=self.folder, **self._who())
        self._write("server.pem", issued(self._authority, "postgres", (NAME,), SERVER))
        self._write("ca.pem", certificate_of(self._authority))
        self._write("pg_hba.conf", ACCESS.encode())
        self._write("postgresql.conf", SETTINGS.format(folder=self.folder, port=self.port).encode())
        with (self.folder / "log").open("wb") as log:
            self._process = subprocess.Popen(
                [programs() / "postgres", "-D", self._data], cwd=self.folder, stdout=log, stderr=log, **self._who()
            )
        self._until(lambda: True)
        make = sql.SQL("CREATE ROLE {} SUPERUSER LOGIN PASSWORD {}")
        self.tell(make.format(sql.Identifier(OWNER), sql.Literal(self.password)))

    def stop(self) -> None:
        if self._process is not None:
            self._process.send_signal(signal.SIGINT)
            self._process.wait(timeout=60)

    def url(self, database: str = "postgres", host: str = NAME) -> str:
        """As the owner."""
        return f"postgresql://{OWNER}:{self.password}@{host}:{self.port}/{database}"

    def part_url(self, database: str) -> str:
        """As the part, with its certificate."""
        pem = self.folder / "part.pem"
        if not pem.exists():
            pem.touch(mode=0o600)
            pem.write_bytes(issued(self._authority, PART, (), CLIENT))
        return f"postgresql://{PART}@{NAME}:{self.port}/{database}?sslcert={pem}&sslkey={pem}"

    def tell(self, statement: sql.Composed | sql.SQL) -> list[tuple[Any, ...]]:
        """As the superuser."""
        url = f"postgresql://postgres@/postgres?host={self.folder}&port={self.port}"
        with psycopg.connect(url, autocommit=True) as connection:
            cursor = connection.execute(statement)
            return cursor.fetchall() if cursor.description else []

    @contextmanager
    def set_to(self, **settings: str) -> Iterator[None]:
        """With other settings, which whoever connects finds."""
        before = {name: self._set(name, value) for name, value in settings.items()}
        try:
            yield
        finally:
            for name, value in before.items():
                self._set(name, value)

    def _set(self, name: str, value: str) -> str:
        """What it was before."""
        show = sql.SQL("SHOW {}").format(sql.Identifier(name))
        [(before,)] = self.tell(show)
        self.tell(sql.SQL("ALTER SYSTEM SET {} = {}").format(sql.Identifier(name), sql.Literal(value)))
        self.tell(sql.SQL("SELECT pg_reload_conf()"))
        self._until(lambda: self.tell(show) == [(value,)])
        return str(before)

    def _until(self, reached: Callable[[], bool]) -> None:
        deadline = time.monotonic() + START_TIMEOUT_S
        while True:
            try:
                self.tell(sql.SQL("SELECT 1"))
                if reached():
                    return
            except psycopg.OperationalError:
                pass
            assert time.monotonic() < deadline, (self.folder / "log").read_text()
            time.sleep(0.02)

    def _write(self, name: str, content: bytes) -> None:
        """As PostgreSQL wants keys: its own, and for nobody else."""
        path = self._data / name
        path.write_bytes(content)
        path.chmod(0o600)
        os.chown(path, self._account.uid, self._account.gid)

    def _who(self) -> dict[str, Any]:
        if not self._account.is_other:
            return {}
        return {"user": self._account.uid, "group": self._account.gid, "extra_groups": ()}


@contextmanager
def system_postgres(authority: bytes) -> Iterator[SystemPostgres]:
    """In a folder that its account can reach; root's temporary folders of tests it cannot."""
    programs()
    with tempfile.TemporaryDirectory(prefix="postgres-") as folder:
        server = SystemPostgres(Path(folder), unprivileged_account(), authority)
        server.start()
        try:
            yield server
        finally:
            server.stop()
