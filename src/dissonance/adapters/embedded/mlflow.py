"""The MLflow tracking server and model registry, as one process on the loopback interface.

`mlflow server` starts a parent that only waits for its uvicorn child, and helpers for jobs we do not run. The same
application is therefore started under uvicorn directly (`mlflow_server.py`), with the settings that the parent would
have handed down (`mlflow.server.constants`; a test holds the names against the installed release): one process instead
of two.
"""

from __future__ import annotations

import asyncio
import sys
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path

from dissonance.adapters.embedded.addresses import EngineName
from dissonance.adapters.embedded.engine import passed_on
from dissonance.adapters.embedded.folder import DataFolder
from dissonance.adapters.embedded.loopback import HOST, choose_port
from dissonance.adapters.embedded.process import Program
from dissonance.errors import EngineUnavailable
from dissonance.security.tls import Tls, client_context

SERVER = Path(__file__).with_name("mlflow_server.py")
APPLICATION = "mlflow.server.fastapi_app:app"
BACKEND_STORE = "_MLFLOW_SERVER_FILE_STORE"
REGISTRY_STORE = "_MLFLOW_SERVER_REGISTRY_STORE"
ARTIFACT_ROOT = "_MLFLOW_SERVER_ARTIFACT_ROOT"
ARTIFACT_DESTINATION = "_MLFLOW_SERVER_ARTIFACT_DESTINATION"
SERVE_ARTIFACTS = "_MLFLOW_SERVER_SERVE_ARTIFACTS"

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
    """`database_url`: `postgresql://…` of its own database, which it migrates by itself. `tls`: it answers nobody whose
    certificate it does not trust."""

    name = EngineName.MLFLOW
    ready_limit_s = 120.0

    def __init__(
        self, folder: DataFolder, environment: Mapping[str, str], *, database_url: str, tls: Tls, port: int = 0
    ) -> None:
        self._folder = folder
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
        }

    @property
    def url(self) -> str:
        return f"https://{HOST}:{self._port}"

    def program(self) -> Program:
        choose_port(self._port, engine="mlflow")
        server = self._tls.server
        files = (server.certificate, server.key, self._tls.authority)
        return Program(
            name=self.name.value,
            # Without the script's folder on its path, where modules have the names of libraries.
            argv=(sys.executable, "-P", str(SERVER), APPLICATION, HOST, str(self._port), *files),
            environment=self._environment,
            folder=self._folder.mlflow_artifacts.parent,
            log=self._folder.logs / "mlflow.log",
        )

    async def why_start_again(self) -> str:
        return ""

    async def check_ready(self) -> None:
        await check_mlflow(self.url, self._tls)


async def check_mlflow(url: str, tls: Tls | None) -> None:
    """Ask for its health, then for an experiment, which it answers only with its tables in place.

    Raises `EngineUnavailable`.
    """
    for path in ("/health", "/api/2.0/mlflow/experiments/search?max_results=1"):
        try:
            await asyncio.to_thread(_get, f"{url}{path}", tls)
        except (urllib.error.URLError, OSError) as error:
            raise EngineUnavailable(f"MLflow does not answer: {error}", where=url, fix="see its log") from error


def _get(url: str, tls: Tls | None) -> None:
    context = None if tls is None else client_context(tls)
    with urllib.request.urlopen(url, timeout=30, context=context) as answer:  # noqa: S310 - http, built from a setting
        answer.read()
