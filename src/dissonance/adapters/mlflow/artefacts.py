"""Files of runs: handed out by the server itself, or in a store that it only names."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dissonance.adapters.mlflow.wire import Wire

BY_THE_SERVER = "mlflow-artifacts:/"
"""With no host: those of the server that is asked."""


class Artefacts:
    """Files by the address of the folder that MLflow gave a run. Blocking.

    A server that hands out none says where they are, such as `s3://…`: there MLflow's own client is at work, with
    credentials that it finds itself (`AWS_…`, `GOOGLE_…`). It loads for seconds.
    """

    def __init__(self, wire: Wire) -> None:
        self._wire = wire

    def put(self, folder: str, files: Mapping[str, bytes]) -> None:
        path = _by_the_server(folder)
        if path is not None:
            for name, content in files.items():
                self._wire.store(f"{path}/{name}", content)
            return
        with tempfile.TemporaryDirectory() as local:
            for name, content in files.items():
                (Path(local) / name).write_bytes(content)
            _elsewhere(folder).log_artifacts(local)

    def get(self, folder: str, name: str) -> bytes:
        path = _by_the_server(folder)
        if path is not None:
            return self._wire.fetch(f"{path}/{name}")
        with tempfile.TemporaryDirectory() as local:
            return Path(str(_elsewhere(folder).download_artifacts(name, local))).read_bytes()

    def delete(self, folder: str) -> None:
        """All of them."""
        path = _by_the_server(folder)
        if path is not None:
            for file in self._wire.stored(path):
                self._wire.discard(file)
            return
        store = _elsewhere(folder)
        for file in store.list_artifacts(None):
            store.delete_artifacts(file.path)


def _by_the_server(folder: str) -> str | None:
    """The path there.

    >>> _by_the_server("mlflow-artifacts:/1/ab/artifacts"), _by_the_server("s3://bucket/1/ab/artifacts")
    ('1/ab/artifacts', None)
    """
    if not folder.startswith(BY_THE_SERVER) or folder.startswith(f"{BY_THE_SERVER}/"):
        return None
    return folder.removeprefix(BY_THE_SERVER)


def _elsewhere(folder: str) -> Any:
    from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

    return get_artifact_repository(folder)
