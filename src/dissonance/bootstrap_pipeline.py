"""Where the pipeline gets its hands: sources by their address, checks, keys, and whoever fits."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec
from typing import TYPE_CHECKING

from dissonance.adapters.files.local import LocalFiles
from dissonance.adapters.s3.files import S3Address
from dissonance.bootstrap import System
from dissonance.bootstrap_scoring import open_place
from dissonance.contracts.schema import Task
from dissonance.errors import ConfigurationError, InputError
from dissonance.pipeline.flow.bench import Bench
from dissonance.pipeline.flow.sources.file_rows import FileRows
from dissonance.pipeline.flow.sources.topic_rows import TOPIC, TopicRows
from dissonance.pipeline.subjects.about import SnapshotFiles
from dissonance.ports.sources import RowSource
from dissonance.science.proposer import Grow
from dissonance.settings import Settings

if TYPE_CHECKING:
    from dissonance.adapters.dagster.pages import DagsterPages

LOCATION = "dissonance.cli.pipeline_location"
"""The module that Dagster loads the assets from."""

DAGSTER = "dagster"
"""Dagster's own folder within the pipeline's."""

FOLDER = "pipeline"
"""Within the data folder: records, snapshots and candidates of each task, and Dagster's own."""


def open_source(system: System, task: Task, address: str, query: str | None, s3: S3Address) -> RowSource:
    """By the address: a path, `s3://bucket/key`, a topic of the bus, or a database with a query.

    Raises `InputError` for one that is none of these.
    """
    if address.startswith(TOPIC):
        return TopicRows(system, task, address)
    scheme, found, _ = address.partition("://")
    if found and scheme != "s3":
        from dissonance.adapters.sql.rows import SqlRows  # SQLAlchemy loads for a while

        if query is None:
            raise InputError("a database is read by a query", where="--query", fix='give --query "SELECT …" as well')
        return SqlRows(address, query)
    if query is not None:
        raise InputError("only a database takes a query", where="--query", fix="leave it out")
    place = open_place(address, s3)
    return FileRows(place.blobs, place.path, place.shown, system.settings.data_file_bytes)


def open_bench(system: System, source: RowSource | None = None, cluster: str = "") -> Bench:
    """Raises `ConfigurationError` when what is asked for is not installed."""
    if find_spec("pandera") is None:
        raise ConfigurationError(
            "pandera is not installed", where="pipeline", fix="pip install 'dissonance[system,pipeline]'"
        )
    from dissonance.adapters.pandera.checks import PanderaChecks  # it loads for seconds

    return Bench(
        workshop=system,
        files=LocalFiles(),
        folder=folder_of(system.settings),
        hash_key=system.key_folder.derive("snapshot-rows"),
        sealing_key=system.key_folder.derive("pipeline-candidates"),
        checks=PanderaChecks(),
        source=source,
        grow=open_grow(cluster) if cluster else None,
    )


def folder_of(settings: Settings) -> str:
    return str(settings.data_folder / FOLDER)


def snapshot_files(settings: Settings) -> SnapshotFiles:
    """Where the pipeline keeps its snapshots."""
    return SnapshotFiles(LocalFiles(), folder_of(settings))


def open_grow(cluster: str) -> Grow:
    """Raises `ConfigurationError` when what a cluster needs is not installed."""
    if find_spec("distributed") is None:
        raise ConfigurationError(
            "distributed is not installed", where="--cluster", fix="pip install 'dissonance[system,cluster]'"
        )
    from dissonance.adapters.dask.growing import DaskGrow  # an extra of its own

    return DaskGrow(cluster)


def serve_ui(settings: Settings, environment: Mapping[str, str], port: int) -> DagsterPages:
    """Raises `ConfigurationError` without Dagster, `EngineUnavailable` when it does not start."""
    if find_spec("dagster_webserver") is None:
        raise ConfigurationError(
            "Dagster is not installed", where="pipeline ui", fix="pip install 'dissonance[system,pipeline]'"
        )
    from dissonance.adapters.dagster.pages import DagsterPages  # Dagster loads for seconds

    return DagsterPages.start(settings.data_folder / FOLDER / DAGSTER, LOCATION, environment, port)


def forget(settings: Settings, task_id: str) -> None:
    """What the pipeline kept of a task that is deleted."""
    LocalFiles().delete_folder(f"{folder_of(settings)}/{task_id}")
