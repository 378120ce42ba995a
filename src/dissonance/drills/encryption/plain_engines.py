"""The control's broker and registry: the same programs as the embedded ones, started as one must not start them.

`dissonance up` starts neither without encryption, so the control brings its own, as an operator with a broker and an
MLflow of others would: no cipher at rest, no TLS, and the settings name them as plain (ADR 62).
"""

from __future__ import annotations

import asyncio
import os
import sys
import sysconfig
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple

from dissonance.adapters.embedded import mlflow
from dissonance.adapters.embedded.loopback import HOST, choose_port
from dissonance.adapters.embedded.nats import MAX_PAYLOAD_BYTES, USER, present_streams
from dissonance.adapters.embedded.process import Child, Program
from dissonance.errors import EngineUnavailable, TimedOut

READY_S = 90.0
LOOK_S = 0.2
APPLICATION = "mlflow.server.fastapi_app:app"

CONFIGURATION = """\
listen: "{host}:{port}"
max_payload: {max_payload}
jetstream {{ store_dir: "{store}" }}
authorization {{ user: {user}, password: "{password}" }}
"""


class PlainEngines(NamedTuple):
    """`settings` that tell a system of them; process id of the broker."""

    settings: Mapping[str, str]
    broker_pid: int


@asynccontextmanager
async def plain_engines(folder: Path, temporary: Path, password: str) -> AsyncIterator[PlainEngines]:
    """Both under `folder`, until the block ends. Raises `EngineError` when one does not start, `TimedOut`."""
    nats_port, mlflow_port = choose_port(0, engine="nats"), choose_port(0, engine="mlflow")
    nats_url, mlflow_url = f"nats://{USER}:{password}@{HOST}:{nats_port}", f"http://{HOST}:{mlflow_port}"
    broker = await Child.start(_broker(folder / "nats", nats_port, password))
    registry = await Child.start(_registry(folder / "mlflow", mlflow_port, temporary))
    try:
        await _until_ready("NATS", lambda: present_streams(nats_url, None))
        await _until_ready("MLflow", lambda: mlflow.check_mlflow(mlflow_url, None))
        settings = {
            "nats_url": nats_url,
            "mlflow_url": mlflow_url,
            "plain_connections": "http,grpc,nats,mlflow",
        }
        yield PlainEngines(settings, broker.identity.pid)
    finally:
        await registry.stop()
        await broker.stop()


def _broker(folder: Path, port: int, password: str) -> Program:
    folder.mkdir(parents=True)
    configuration = folder / "nats.conf"
    configuration.write_text(
        CONFIGURATION.format(
            host=HOST, port=port, max_payload=MAX_PAYLOAD_BYTES, store=folder, user=USER, password=password
        )
    )
    server = Path(sysconfig.get_path("scripts")) / "nats-server"
    return Program("nats", (str(server), "--config", str(configuration)), {}, folder, folder / "nats.log")


def _registry(folder: Path, port: int, temporary: Path) -> Program:
    (folder / "artifacts").mkdir(parents=True)
    store = f"sqlite:///{folder / 'mlflow.db'}"
    environment = {
        "PATH": os.defpath,
        "TMPDIR": str(temporary),
        **mlflow.TRIMMED,
        mlflow.BACKEND_STORE: store,
        mlflow.REGISTRY_STORE: store,
        mlflow.ARTIFACT_ROOT: "mlflow-artifacts:/",
        mlflow.ARTIFACT_DESTINATION: str(folder / "artifacts"),
        mlflow.SERVE_ARTIFACTS: "true",
        mlflow.SERVED_BY: "uvicorn",
    }
    argv = (sys.executable, "-m", "uvicorn", APPLICATION, "--host", HOST, "--port", str(port))
    return Program("mlflow", argv, environment, folder, folder / "mlflow.log")


async def _until_ready(name: str, ask: Callable[[], Awaitable[object]]) -> None:
    try:
        async with asyncio.timeout(READY_S):
            while True:
                try:
                    await ask()
                    return
                except EngineUnavailable:
                    await asyncio.sleep(LOOK_S)
    except TimeoutError as error:
        raise TimedOut(f"{name} did not become ready", where="control", fix="read its log") from error
