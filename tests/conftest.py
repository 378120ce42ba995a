"""Session-wide: the real engines, started once and only when a test asks for them; and how hypothesis looks."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from dissonance.adapters.embedded.addresses import EngineAddresses
from support.engines import running_engines

# No test measures time: how long an example takes says only what else the machine does.
settings.register_profile("dissonance", deadline=None)
settings.load_profile("dissonance")


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
