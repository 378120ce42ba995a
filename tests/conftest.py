"""Session-wide: the real engines, started once and only when a test asks for them; how hypothesis looks; and what
Python need not look through when it collects what is no longer used."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from dissonance.adapters.embedded.addresses import EngineAddresses
from support.engines import running_engines

# No test measures time: how long an example takes, or is made, says only what else the machine does.
settings.register_profile("dissonance", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("dissonance")

COLLECT_AFTER = (20_000, 20, 20)
"""Objects after which a generation is collected, as in a process that serves (`cli/run.py`)."""


def pytest_collection_finish() -> None:
    """Modules and collected tests live as long as the run: looked through again and again, they took a fifth of it."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*COLLECT_AFTER)


@pytest.fixture(scope="session")
def engines(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EngineAddresses]:
    """PostgreSQL and NATS; `mlflow_url` is empty."""
    with running_engines(tmp_path_factory.mktemp("engines") / "data") as addresses:
        yield addresses


@pytest.fixture(scope="session")
def all_engines_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The data folder of `all_engines`."""
    return tmp_path_factory.mktemp("all-engines") / "data"


@pytest.fixture(scope="session")
def all_engines(all_engines_folder: Path) -> Iterator[EngineAddresses]:
    """PostgreSQL, NATS and MLflow, prepared by their owner."""
    with running_engines(all_engines_folder, mlflow=True, prepared=True) as addresses:
        yield addresses
