"""Session-wide fixtures: the real engines, started once and only when a test asks for them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from dissonance.adapters.embedded.addresses import EngineAddresses
from support.engines import running_engines


@pytest.fixture(scope="session")
def engines(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EngineAddresses]:
    """PostgreSQL and NATS; `mlflow_url` is empty."""
    with running_engines(tmp_path_factory.mktemp("engines") / "data") as addresses:
        yield addresses


@pytest.fixture(scope="session")
def all_engines(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EngineAddresses]:
    """PostgreSQL, NATS and MLflow."""
    with running_engines(tmp_path_factory.mktemp("all-engines") / "data", mlflow=True) as addresses:
        yield addresses
