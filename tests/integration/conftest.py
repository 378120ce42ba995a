"""What several of these tests start."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from support.bus import NatsServer


@pytest.fixture
def server(tmp_path: Path) -> Iterator[NatsServer]:
    """A broker of the test's own."""
    server = NatsServer(tmp_path)
    server.start()
    yield server
    server.stop()
