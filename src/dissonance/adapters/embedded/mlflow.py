"""The MLflow tracking server and model registry, as one process on the loopback interface.

`mlflow server` starts a parent that only waits for its uvicorn child, and helpers for jobs we do not run. The same
application is therefore started under uvicorn directly (`mlflow_server/serve.py`), with the settings that the parent
would have handed down (`mlflow.server.constants`; a test holds the names against the installed release): one process
instead of two. Its access control is on, and takes our tokens (ADR 55).
"""

from __future__ import annotations

import asyncio
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from http import HTTPStatus
from pathlib import Path

from dissonance.adapters.embedded.addresses import EngineName
from dissonance.adapters.embedded.engine import passed_on
from dissonance.adapters.embedded.files import tail
from dissonance.adapters.embedded.folder import DataFolder
from dissonance.adapters.embedded.loopback import HOST, choose_port
from dissonance.adapters.embedded.process import Child, Program
from dissonance.adapters.embedded.supervisor import Report
from dissonance.adapters.mlflow_server.database import newest_version, version_of
from dissonance.adapters.mlflow_server.files import Access, write_access
from dissonance.errors import EngineError, EngineUnavailable
from dissonance.security.tls import Tls, client_context

PACKAGES = Path(__file__).parents[3]
"""Where this package lies: the server loads it from there, wherever that is."""

SERVER = PACKAGES / "dissonance" / "adapters" / "mlflow_server" / "serve.py"
UPGRADE = SERVER.with_name("upgrade.py")
APPLICATION = "dissonance.adapters.mlflow_server.app:create"
EVERY_S = "10"
"""How often it looks whether its certificates were renewed."""

BACKEND_STORE = "_MLFLOW_SERVER_FILE_STORE"
REGISTRY_STORE = "_MLFLOW_SERVER_REGISTRY_STORE"
ARTIFACT_ROOT = "_MLFLOW_SERVER_ARTIFACT_ROOT"
ARTIFACT_DESTINATION = "_MLFLOW_SERVER_ARTIFACT_DESTINATION"
SERVE_ARTIFACTS = "_MLFLOW_SERVER_SERVE_ARTIFACTS"
SERVED_BY = "_MLFLOW_SGI_NAME"
ACCESS_FILE = "MLFLOW_AUTH_CONFIG_PATH"
FORM_SECRET = "MLFLOW_FLASK_SERVER_SECRET_KEY"  # noqa: S105 - a name, not a secret

TRIMMED: Mapping[str, str] = {
    "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
    "MLFLOW_SQLALCHEMYSTORE_POOL_SIZE": "4",
    "MLFLOW_SQLALCHEMYSTORE_MAX_OVERFLOW": "4",
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MALLOC_ARENA_MAX": "2",
    "PYTHONDONTWRITEBYTECODE": "1",
}
"""No job helpers, nothing sent anywhere, few connections, few memory arenas for its many threads."""


class MlflowEngine:
    """`database_url`: `postgresql://…` of its own database, as who works there; its tables are made (`prepare_tables`).

    `access`: whose tokens it takes. `token`: one to ask it with whether it is ready. `form_secret`: its forms', which
    nobody sees. `tls`: it answers nobody whose certificate it does not trust.
    """

    name = EngineName.MLFLOW
    ready_limit_s = 120.0

    def __init__(
        self,
        folder: DataFolder,
        environment: Mapping[str, str],
        *,
        database_url: str,
        access: Access,
        token: Callable[[], str],
        form_secret: str,
        tls: Tls,
        port: int = 0,
    ) -> None:
        self._folder = folder
        self._access = access
        self._token = token
        self._tls = tls
        self._port = choose_port(port, engine="mlflow")
        self._environment = {
            **passed_on(environment),
            **TRIMMED,
            BACKEND_STORE: database_url,
            REGISTRY_STORE: database_url,
            ARTIFACT_ROOT: "mlflow-artifacts:/",
            ARTIFACT_DESTINATION: str(folder.mlflow_artifacts),
            SERVE_ARTIFACTS: "true",
            SERVED_BY: "uvicorn",
            FORM_SECRET: form_secret,
        }

    @property
    def url(self) -> str:
        return f"https://{HOST}:{self._port}"

    def program(self) -> Program:
        choose_port(self._port, engine="mlflow")
        folder = self._folder.mlflow_artifacts.parent
        try:
            access_file = write_access(folder, self._access)
        except OSError as error:
            raise EngineError(
                f"MLflow's access control cannot be written: {error.strerror}",
                where=str(folder),
                fix="free space on its disk",
            ) from error
        server = self._tls.server
        files = (server.certificate, server.key, self._tls.authority)
        return Program(
            name=self.name.value,
            # Without the script's folder on its path, where modules have the names of libraries.
            argv=(
                sys.executable,
                "-P",
                str(SERVER),
                str(PACKAGES),
                APPLICATION,
                HOST,
                str(self._port),
                EVERY_S,
                *files,
            ),
            environment={**self._environment, ACCESS_FILE: str(access_file)},
            folder=folder,
            log=self._folder.logs / "mlflow.log",
        )

    async def why_start_again(self) -> str:
        return ""

    async def check_ready(self) -> None:
        await check_mlflow(self.url, self._tls, self._token())


async def prepare_tables(
    database_url: str,
    folder: DataFolder,
    environment: Mapping[str, str],
    *,
    report: Report = lambda line: None,
    upgrade: Path = UPGRADE,
) -> None:
    """Bring MLflow's tables to the version of the MLflow that is installed, by a program of its own, which ends when
    nobody waits for it any more; where they are at it, nothing is started.

    `database_url`: as their owner. Raises `EngineError` with the tail of the log.
    """
    if await asyncio.to_thread(version_of, database_url) == await asyncio.to_thread(newest_version):
        return
    report("preparing MLflow's database")
    settings = {**passed_on(environment), **TRIMMED, "MLFLOW_TRACKING_URI": database_url}
    log = folder.logs / "mlflow.log"
    program = Program("mlflow", (sys.executable, "-P", str(upgrade)), settings, folder.mlflow_artifacts.parent, log)
    child = await Child.start(program)
    try:
        code = await child.exited()
    finally:
        await child.stop()
    if code != 0:
        raise EngineError(
            f"MLflow's tables were not made or upgraded; the log ends:\n{tail(log)}",
            where=str(log),
            fix="mend what the log names, then start again; what is there was not changed",
        )


async def check_mlflow(url: str, tls: Tls | None, token: str = "") -> None:
    """Ask for its health, then for an experiment, which it answers only with its tables in place.

    Without a `token`, that it asks for one is an answer too. Raises `EngineUnavailable`.
    """
    for path in ("/health", "/api/2.0/mlflow/experiments/search?max_results=1"):
        try:
            await asyncio.to_thread(_get, f"{url}{path}", tls, token)
        except urllib.error.HTTPError as error:
            if token or error.code != HTTPStatus.UNAUTHORIZED:
                raise _silent(url, error) from error
        except (urllib.error.URLError, OSError) as error:
            raise _silent(url, error) from error


def _silent(url: str, error: Exception) -> EngineUnavailable:
    return EngineUnavailable(f"MLflow does not answer: {error}", where=url, fix="see its log")


def _get(url: str, tls: Tls | None, token: str) -> None:
    context = None if tls is None else client_context(tls)
    request = urllib.request.Request(url, headers={"Authorization": f"Bearer {token}"} if token else {})  # noqa: S310
    with urllib.request.urlopen(request, timeout=30, context=context) as answer:  # noqa: S310 - built from a setting
        answer.read()
